/** The timeline as it comes in, kept as long as the agent keeps it, and its table. */
import type { TimelineEvent } from '../telemetry/timeline.ts'
import { badge, byId, el } from './dom.ts'
import { createPagedTable } from './table.ts'
import { lookOfKind, plural } from './text.ts'

export interface Events {
  /** Oldest first. */
  readonly kept: readonly TimelineEvent[]
  /** Whether it hears of what happens. */
  readonly isLive: boolean
  /** Begins anew: the agent is another. */
  restart(): void
}

const KEPT = 500
/** A browser does not come back by itself from an answer that is no stream. */
const RETRY_MS = 10_000
const TOGETHER_MS = 50

/** Calls `changed` when there are more events, and when the connection comes or goes. */
export function createEvents(changed: () => void): Events {
  let kept: TimelineEvent[] = []
  let source: EventSource | undefined
  let opened = 0
  let showing: ReturnType<typeof setTimeout> | undefined
  const table = createPagedTable<TimelineEvent>(byId('timeline'), {
    heads: ['Time', 'What', 'Of', 'More', 'Process'],
    perPage: 15,
    none: 'Nothing happened yet.',
    textOf: (event) => `${lookOfKind(event.kind).word} ${JSON.stringify(Object.values(event))}`,
    render: (event) => render(event, event.at > opened),
  })

  const show = (): void => {
    showing = undefined
    table.show(kept.toReversed())
    changed()
  }
  const open = (): void => {
    source?.close()
    const mine = new EventSource('/api/events')
    source = mine
    mine.addEventListener('open', () => {
      opened = Date.now()
      changed()
    })
    mine.addEventListener('message', ({ data }: MessageEvent<string>) => {
      const event = JSON.parse(data) as TimelineEvent
      if (event.id <= (kept.at(-1)?.id ?? 0)) return
      kept = [...kept.slice(1 - KEPT), event]
      // Hundreds come at once when the page opens.
      showing ??= setTimeout(show, TOGETHER_MS)
    })
    mine.addEventListener('error', () => {
      changed()
      if (mine.readyState === EventSource.CLOSED)
        setTimeout(() => source === mine && open(), RETRY_MS)
    })
  }
  table.show([])
  open()
  return {
    get kept() {
      return kept
    },
    get isLive() {
      return source?.readyState === EventSource.OPEN
    },
    restart() {
      kept = []
      table.show([])
      open()
    },
  }
}

function render(event: TimelineEvent, isNew: boolean): HTMLTableRowElement {
  const { at, kind, subject, detail, count, pid, notAfter } = event
  const { tone, sign, word } = lookOfKind(kind)
  const more = [detail, notAfter !== undefined && `until ${instantText(notAfter, at)}`]
  return el(
    'tr',
    isNew ? { class: 'new' } : {},
    el(
      'td',
      { class: 'count' },
      el('time', { datetime: new Date(at).toISOString() }, clockText(at)),
    ),
    el('td', {}, badge(tone, sign, word)),
    el('td', { class: 'code' }, subject),
    el('td', {}, more.filter((text) => text !== '' && text !== false).join(' · ')),
    el('td', { class: 'count' }, whoText(count, pid)),
  )
}

function whoText(count: number, pid: number | undefined): string {
  if (pid === undefined) return count > 1 ? plural(count, 'time') : '–'
  return count > 1 ? `pid ${pid}, ${plural(count, 'time')}` : `pid ${pid}`
}

const clockText = (at: number): string => new Date(at).toLocaleTimeString('en-GB')

/** With its day, where that is another than the day of `beside`. */
function instantText(at: number, beside: number): string {
  const day = (instant: number): string =>
    new Date(instant).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  return day(at) === day(beside) ? clockText(at) : `${day(at)}, ${clockText(at)}`
}
