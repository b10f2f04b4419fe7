/**
 * The last things that happened, for people to look at, and word of each as it comes. What happens many times in one moment
 * is one event with a count: a rotation that goes to a thousand streams must not push itself out of sight. Holds no secret.
 */
import type { Clock, Timer } from '../runtime/clock.ts'
import { shownText } from '../runtime/shown-text.ts'

/** A closed set: the status page has a word and a place for each. */
export type TimelineKind =
  | 'issued'
  | 'issue-failed'
  | 'expired'
  | 'pushed'
  | 'acknowledged'
  | 'rejected'
  | 'unanswered'
  | 'refused'
  | 'authority'
  | 'bundle'
  | 'source'
  | 'clock'

export interface Happening {
  readonly kind: TimelineKind
  /** What it is about: a SPIFFE ID, a secret's name, a CA, a trust domain, a file. */
  readonly subject: string
  /** What of it, in a word or a line; '' where the kind says all. */
  readonly detail?: string
  /** The process at the other end. */
  readonly pid?: number
  /** ms since the epoch: the end of what was issued. */
  readonly notAfter?: number
}

export interface TimelineEvent extends Happening {
  /** Greater than those of all events before. */
  readonly id: number
  /** ms since the epoch, of the first one. */
  readonly at: number
  readonly detail: string
  /** How often it happened. With more than one process no `pid` is named. */
  readonly count: number
}

export interface Timeline {
  add(happening: Happening): void
  /** Those kept that came after `id`, oldest first; all of them where `id` is none of this timeline's. */
  since(id: number): readonly TimelineEvent[]
  /** `listen` gets each event once, a moment after it happened, those of one moment together. */
  subscribe(listen: (events: readonly TimelineEvent[]) => void): () => void
  close(): void
}

const KEPT = 500
/** A push to a thousand sidecars and their answers come within about this. */
const MOMENT_MS = 100
/** Of one kind in one moment; what is beyond is one event together. */
const APART = 20
const OTHERS = 'others'
/** Characters of each that are kept: what is longer is read elsewhere. */
const SHOWN = { subject: 512, detail: 256 }

type Open = { -readonly [K in keyof TimelineEvent]: TimelineEvent[K] }

export function createTimeline(clock: Clock): Timeline {
  const kept: TimelineEvent[] = []
  const listeners = new Set<(events: readonly TimelineEvent[]) => void>()
  const open = new Map<string, Open>()
  const apart = new Map<TimelineKind, number>()
  let lastId = 0
  let timer: Timer | undefined

  const flush = (): void => {
    timer = undefined
    const events = Array.from(open.values(), shown)
    open.clear()
    apart.clear()
    kept.push(...events)
    kept.splice(0, kept.length - KEPT)
    for (const listen of Array.from(listeners)) listen(events)
  }

  const begin = (happening: Happening, subject: string, detail: string): Open => {
    lastId += 1
    return { ...happening, subject, detail, id: lastId, at: clock.now(), count: 0 }
  }

  return {
    add(happening) {
      const { kind, pid } = happening
      let { subject, detail = '' } = happening
      let key = `${kind}\n${subject}\n${detail}`
      if (!open.has(key) && (apart.get(kind) ?? 0) >= APART) {
        subject = OTHERS
        detail = ''
        key = `${kind}\n\n`
      }
      let event = open.get(key)
      if (event === undefined) {
        event = begin(happening, subject, detail)
        open.set(key, event)
        apart.set(kind, (apart.get(kind) ?? 0) + 1)
      }
      event.count += 1
      if (event.pid !== pid) delete event.pid
      if (subject === OTHERS) delete event.notAfter
      timer ??= clock.after(MOMENT_MS, flush)
    },
    since(id) {
      return id > lastId ? kept.slice() : kept.filter((event) => event.id > id)
    },
    subscribe(listen) {
      const own = (events: readonly TimelineEvent[]): void => listen(events)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    close() {
      timer?.cancel()
      listeners.clear()
    },
  }
}

/** Names are the client's choice. */
function shown(event: Open): TimelineEvent {
  return {
    ...event,
    subject: shownText(event.subject, SHOWN.subject),
    detail: shownText(event.detail, SHOWN.detail),
  }
}
