/**
 * Which denials are lines of their own. Anybody on the network can cause them: the first of a kind is written at once, those that
 * follow are counted and written as one line a minute, so that nobody can fill the disk or bury another's under their own.
 */
import type { Clock, Timer } from '../../runtime/clock.ts'
import { addressKey } from './address.ts'
import type { AuditCaller, Denial } from './audit.ts'

/** Of the denials that a line stands for, beside the one that was written at once. */
interface Repeated {
  readonly times: number
  /** ms since the epoch */
  readonly firstAt: number
  readonly lastAt: number
}

export interface Denials {
  take(denial: Denial): void
  /** Writes what is counted; from then on each denial is a line. */
  close(): void
}

/** One line: `denial` is the last of a kind; `repeated` is undefined of one that is written at once. */
type WriteDenial = (denial: DeniedLine, repeated: Repeated | undefined) => void

/** A denial, or what is left of those of many callers. */
interface DeniedLine extends Omit<Denial, 'caller'> {
  readonly caller: AuditCaller | { readonly kind: 'others' }
}

const WINDOW_MS = 60_000
/** At a time, of all callers: half a megabyte of lines a minute at most. */
const MOST_KINDS = 512
/** Of one caller: it has few reasons to be denied, and many methods to try. */
const MOST_OF_ONE = 16

interface Kind {
  readonly source: string
  last: DeniedLine
  times: number
  firstAt: number
  lastAt: number
}

export function createDenials(clock: Clock, write: WriteDenial): Denials {
  const kinds = new Map<string, Kind>()
  const bySource = new Map<string, number>()
  let timer: Timer | undefined
  let closed = false

  const writeCounted = (): void => {
    for (const [key, kind] of kinds) {
      const { last, source, ...repeated } = kind
      if (repeated.times > 0) write(last, repeated)
      else {
        kinds.delete(key)
        count(source, -1)
      }
      kind.times = 0
    }
  }
  const count = (source: string, by: 1 | -1): void => {
    const left = (bySource.get(source) ?? 0) + by
    if (left > 0) bySource.set(source, left)
    else bySource.delete(source)
  }
  const endWindow = (): void => {
    writeCounted()
    timer = kinds.size === 0 ? undefined : clock.after(WINDOW_MS, endWindow)
  }
  /** The kind of a denial, or that of many where there is no room for one more. */
  const kindOf = (denial: Denial): { readonly key: string; readonly line: DeniedLine } => {
    const { caller, method, reason } = denial
    const source = sourceOf(caller)
    const own = JSON.stringify([source, placeOf(caller), method, reason])
    if (kinds.has(own)) return { key: own, line: denial }
    if (kinds.size < MOST_KINDS) {
      if ((bySource.get(source) ?? 0) < MOST_OF_ONE) return { key: own, line: denial }
      const { method: _, detail: __, ...line } = denial
      return { key: JSON.stringify([source, reason]), line }
    }
    const line = { event: 'denied', caller: { kind: 'others' }, reason } as const
    return { key: JSON.stringify([reason]), line }
  }

  return {
    take(denial) {
      if (closed) return write(denial, undefined)
      const now = clock.now()
      const { key, line } = kindOf(denial)
      timer ??= clock.after(WINDOW_MS, endWindow)
      const kind = kinds.get(key)
      if (kind !== undefined) {
        if (kind.times === 0) kind.firstAt = now
        Object.assign(kind, { last: line, times: kind.times + 1, lastAt: now })
        return
      }
      // Those of many are not worth a line before their number is known.
      const isOwn = line === denial
      const source = sourceOf(denial.caller)
      const times = isOwn ? 0 : 1
      kinds.set(key, { source, last: line, times, firstAt: now, lastAt: now })
      count(source, 1)
      if (isOwn) write(line, undefined)
    },
    close() {
      closed = true
      timer?.cancel()
      writeCounted()
      kinds.clear()
      bySource.clear()
    },
  }
}

/** Who is behind it, as far as that is known: whoever has an identity may come from anywhere. */
function sourceOf(caller: AuditCaller): string {
  if (caller.kind === 'local') return `uid ${caller.uid}`
  if (caller.kind === 'svid') return caller.spiffeId
  return caller.kind === 'anonymous' ? addressKey(caller.address) : caller.kind
}

function placeOf(caller: AuditCaller): string {
  return 'address' in caller ? addressKey(caller.address) : ''
}
