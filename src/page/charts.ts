/** Two pictures: what happened when, and how the life left of each X.509-SVID falls and begins anew. */
import type uPlot from 'uplot'
import type { PageState } from '../http/page-state.ts'
import type { TimelineEvent } from '../telemetry/timeline.ts'
import { byId, countdown, el } from './dom.ts'
import type { Lane } from './text.ts'
import { LANES, lookOfKind, plural, span } from './text.ts'

export interface Charts {
  draw(state: PageState, events: readonly TimelineEvent[], now: number): void
}

const HEIGHT = 190
/** Colours of the style sheet; a dash of its own tells each line apart as well. */
const LINES = [
  { name: 'accent', dash: [] },
  { name: 'busy', dash: [8, 4] },
  { name: 'warn', dash: [2, 3] },
  { name: 'bad', dash: [10, 3, 2, 3] },
  { name: 'good', dash: [4, 4] },
  { name: 'soft', dash: [1, 4] },
]
/** More lines than this are a tangle; those that live shortest are shown. */
const MOST_LINES = LINES.length
/** A picture of a moment says nothing. */
const SHORTEST_MS = 60_000

const LANE_NAMES: Readonly<Record<Lane, string>> = {
  trouble: '✕ trouble',
  acknowledged: '✓ acked',
  pushed: '→ pushed',
  issued: '✦ issued',
  trust: '◆ CA, files',
}

export function createCharts(windowSeconds: () => number): Charts {
  const lanes = createChart(byId('lanes'))
  const left = createChart(byId('left'))
  const legend = createLegend(byId('left-legend'))
  return {
    draw(state, events, now) {
      const earliest = Math.min(state.agent.startedAt - 2_000, now - SHORTEST_MS)
      const from = Math.max(now - windowSeconds() * 1_000, earliest)
      const range = [from, now] as const
      const recent = events.filter(({ at }) => at >= from)
      drawLanes(lanes, recent, range)
      drawLeft(left, legend, { state, events, range })
    },
  }
}

type Range = readonly [from: number, to: number]

interface Scene {
  readonly state: PageState
  readonly events: readonly TimelineEvent[]
  readonly range: Range
}

interface Chart {
  readonly place: HTMLElement
  /** Made anew only where `key`, the width or the colours are others. */
  draw(
    key: string,
    data: uPlot.AlignedData,
    range: Range,
    options: () => Partial<uPlot.Options>,
  ): void
}

function createChart(place: HTMLElement): Chart {
  const Plot = (globalThis as unknown as { readonly uPlot: typeof uPlot }).uPlot
  const dark = matchMedia('(prefers-color-scheme: dark)')
  let plot: uPlot | undefined
  let drawn = ''
  return {
    place,
    draw(key, data, [from, to], options) {
      const width = place.clientWidth
      const wanted = `${key} ${width} ${dark.matches}`
      if (plot === undefined || drawn !== wanted) {
        drawn = wanted
        plot?.destroy()
        plot = new Plot({ width, height: HEIGHT, ...options() } as uPlot.Options, data, place)
      } else plot.setData(data, false)
      plot.setScale('x', { min: from / 1_000, max: to / 1_000 })
    },
  }
}

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

function timeAxis(): uPlot.Axis {
  return {
    stroke: colour('soft'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    size: 28,
    space: 90,
    values: (_, seconds) => seconds.map((at) => new Date(at * 1_000).toLocaleTimeString('en-GB')),
  }
}

function drawLanes(chart: Chart, events: readonly TimelineEvent[], range: Range): void {
  const at = events.map((event) => event.at / 1_000)
  const rows = LANES.map((lane, place) =>
    events.map(({ kind }) => (lookOfKind(kind).lane === lane ? place : null)),
  )
  const counts = LANES.map((lane) => {
    const of = events.filter(({ kind }) => lookOfKind(kind).lane === lane)
    return `${lane} ${of.reduce((sum, { count }) => sum + count, 0)}`
  })
  chart.place.setAttribute('aria-label', `Events in the time shown: ${counts.join(', ')}`)
  const colours: Record<Lane, string> = {
    trouble: colour('bad'),
    acknowledged: colour('good'),
    pushed: colour('busy'),
    issued: colour('accent'),
    trust: colour('warn'),
  }
  chart.draw('lanes', [at, ...rows], range, () => ({
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true, auto: false }, y: { range: [-0.6, LANES.length - 0.4] } },
    axes: [
      timeAxis(),
      {
        stroke: colour('soft'),
        size: 92,
        grid: { stroke: colour('line'), width: 1 },
        ticks: { show: false },
        splits: () => LANES.map((_, place) => place),
        values: () => LANES.map((lane) => LANE_NAMES[lane]),
      },
    ],
    series: [
      {},
      ...LANES.map((lane) => ({
        paths: () => null,
        points: { show: true, size: 9, space: 0, fill: colours[lane], stroke: colours[lane] },
      })),
    ],
  }))
}

/** One certificate after another, each with the instant it was issued and its end. */
type Lives = readonly { readonly at: number; readonly notAfter: number }[]

interface Line {
  readonly spiffeId: string
  readonly issuedAt: number
  readonly expiresAt: number
}

function drawLeft(
  chart: Chart,
  legend: Legend,
  { state: { entries }, events, range }: Scene,
): void {
  const [from, to] = range
  const held = entries.flatMap(({ spiffeId, issuedAt, expiresAt }): readonly Line[] =>
    issuedAt === undefined || expiresAt === undefined ? [] : [{ spiffeId, issuedAt, expiresAt }],
  )
  const shown = held
    .toSorted((one, other) => one.expiresAt - one.issuedAt - (other.expiresAt - other.issuedAt))
    .slice(0, MOST_LINES)
  const lives = shown.map((line) => livesOf(line, events))
  // A step needs the instant just before it.
  const steps = lives.flat().flatMap(({ at }) => [at - 1, at])
  const inside = [from, ...steps, to].filter((at) => at >= from && at <= to)
  const times = Array.from(new Set(inside)).toSorted((one, other) => one - other)
  const rows = lives.map((of) =>
    times.map((at) => {
      const life = of.findLast((one) => one.at <= at)
      if (life === undefined) return null
      return Math.max(0, (100 * (life.notAfter - at)) / (life.notAfter - life.at))
    }),
  )
  const lines = shown.map(({ spiffeId, expiresAt }) => `${spiffeId} ${span(expiresAt - to)}`)
  chart.place.setAttribute(
    'aria-label',
    lines.length === 0 ? 'No X.509-SVID is held.' : `Time left: ${lines.join(', ')}`,
  )
  legend.show(shown, held.length - shown.length)
  const data: uPlot.AlignedData = [times.map((at) => at / 1_000), ...rows]
  chart.draw(String(shown.length), data, range, () => leftOptions(shown.length))
}

function livesOf({ spiffeId, issuedAt, expiresAt }: Line, events: readonly TimelineEvent[]): Lives {
  const told = events.flatMap(({ kind, subject, at, notAfter }) =>
    kind === 'issued' && subject === spiffeId && notAfter !== undefined ? [{ at, notAfter }] : [],
  )
  const known = told.some(({ notAfter }) => notAfter === expiresAt)
  const all = known ? told : [...told, { at: issuedAt, notAfter: expiresAt }]
  return all.toSorted((one, other) => one.at - other.at)
}

function leftOptions(count: number): Partial<uPlot.Options> {
  return {
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true, auto: false }, y: { range: [0, 104] } },
    axes: [
      timeAxis(),
      {
        stroke: colour('soft'),
        size: 48,
        grid: { stroke: colour('line'), width: 1 },
        ticks: { show: false },
        splits: () => [0, 25, 50, 75, 100],
        values: (_, shares) => shares.map((share) => `${share} %`),
      },
    ],
    series: [
      {},
      ...LINES.slice(0, count).map(({ name, dash }) => ({
        stroke: colour(name),
        width: 2,
        dash: [...dash],
        points: { show: false },
      })),
    ],
  }
}

interface Legend {
  show(lines: readonly Line[], hidden: number): void
}

/** Which line is whose, and how long each has left. */
function createLegend(place: HTMLElement): Legend {
  let shown = ''
  return {
    show(lines, hidden) {
      const key = JSON.stringify([lines, hidden])
      if (key === shown) return
      shown = key
      const items = lines.map(({ spiffeId, issuedAt, expiresAt }, index) =>
        el('li', {}, sample(index), `${pathOf(spiffeId)} `, countdown(expiresAt, issuedAt)),
      )
      const others = hidden > 0 && el('li', {}, `and ${plural(hidden, 'other')}, see entries`)
      place.replaceChildren(...items, ...(others === false ? [] : [others]))
    },
  }
}

const pathOf = (spiffeId: string): string => spiffeId.replace(/^spiffe:\/\/[^/]+/, '')

const SVG = 'http://www.w3.org/2000/svg'

function sample(index: number): SVGElement {
  const { name = 'soft', dash = [] } = LINES[index] ?? {}
  const picture = document.createElementNS(SVG, 'svg')
  const line = document.createElementNS(SVG, 'line')
  const of = { x1: '0', x2: '26', y1: '5', y2: '5', 'stroke-dasharray': dash.join(' ') }
  for (const [key, value] of Object.entries(of)) line.setAttribute(key, value)
  line.setAttribute('class', `line ${name}`)
  picture.setAttribute('width', '26')
  picture.setAttribute('height', '10')
  picture.append(line)
  return picture
}
