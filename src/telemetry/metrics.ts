import { Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import type { Clock } from '../runtime/clock.ts'
import { createExpiryGauge, lifeLeft, secondsLeft } from './expiry-gauge.ts'
import type { ExpiryGauge, Life } from './expiry-gauge.ts'
import { METRICS, PREFIX } from './metrics-table.ts'
import type { MetricMeaning } from './metric-labels.ts'
import type { MetricName } from './metrics-table.ts'

type Table = typeof METRICS
type LabelsOf<N extends MetricName> = {
  readonly [L in keyof Table[N]['labels']]: Table[N]['labels'][L] extends readonly (infer V)[]
    ? V
    : string
}
/** A metric without labels takes none; one with labels takes all of them. */
type Args<L, V extends unknown[]> = keyof L extends never ? V : [labels: L, ...V]

export interface CounterOf<L> {
  inc(...args: Args<L, [by?: number]>): void
}
export interface GaugeOf<L> {
  set(...args: Args<L, [value: number]>): void
  inc(...args: Args<L, [by?: number]>): void
  dec(...args: Args<L, [by?: number]>): void
  /** Takes one label series away; without it the last value would stay for ever. */
  remove(...args: Args<L, []>): void
}
export interface HistogramOf<L> {
  /** Seconds. */
  observe(...args: Args<L, [seconds: number]>): void
}

/** Gauges that are set to an instant, or to a life, and count down to its end at each scrape; with their labels. */
const SECONDS_LEFT = {
  secretSecondsLeft: 'spiffe_id',
  authorityActiveSecondsLeft: undefined,
  authorityAttachedSecondsLeft: undefined,
  jwtAuthorityActiveSecondsLeft: undefined,
  bundleSecondsLeft: 'trust_domain',
  serverSvidSecondsLeft: undefined,
} as const
const LIFE_LEFT = {
  secretLifeLeft: 'spiffe_id',
  authorityActiveLifeLeft: undefined,
  authorityAttachedLifeLeft: undefined,
  jwtAuthorityActiveLifeLeft: undefined,
  bundleLifeLeft: 'trust_domain',
} as const
type Expiring = {
  readonly [N in keyof typeof SECONDS_LEFT]: ExpiryGauge<number>
} & { readonly [N in keyof typeof LIFE_LEFT]: ExpiryGauge<Life> }

export type Metrics = {
  readonly [N in Exclude<MetricName, keyof Expiring>]: Table[N]['type'] extends 'counter'
    ? CounterOf<LabelsOf<N>>
    : Table[N]['type'] extends 'gauge'
      ? GaugeOf<LabelsOf<N>>
      : HistogramOf<LabelsOf<N>>
} & Expiring

const MOST_SPIFFE_IDS = 1000

/** Creates every metric of the table on `registry`; no registry of the process is touched. */
export function createMetrics(options: {
  readonly registry: Registry
  readonly clock: Clock
  readonly version: string
}): Metrics {
  const { registry, clock } = options
  const expiring = <T>(
    gauges: Partial<Record<MetricName, string | undefined>>,
    left: (end: T, now: number) => number,
  ): Record<string, ExpiryGauge<T>> =>
    Object.fromEntries(
      Object.entries(gauges).map(([name, label]) => {
        const config = configOf(METRICS[name as MetricName], registry)
        const common = { config, clock, maxSeries: MOST_SPIFFE_IDS, left }
        return [name, createExpiryGauge({ ...common, ...(label !== undefined && { label }) })]
      }),
    )
  const own = { ...expiring(SECONDS_LEFT, secondsLeft), ...expiring(LIFE_LEFT, lifeLeft) }
  const plain = Object.entries(METRICS)
    .filter(([name]) => !Object.hasOwn(own, name))
    .map(([name, meaning]) => [name, createMetric(meaning, registry)])
  const metrics = { ...Object.fromEntries(plain), ...own } as Metrics
  metrics.buildInfo.set({ version: options.version }, 1)
  return metrics
}

function configOf(meaning: MetricMeaning, registry: Registry) {
  return {
    name: `${PREFIX}${meaning.name}`,
    help: meaning.help,
    labelNames: Object.keys(meaning.labels),
    registers: [registry],
  }
}

function createMetric(meaning: MetricMeaning, registry: Registry): Counter | Gauge | Histogram {
  const config = configOf(meaning, registry)
  switch (meaning.type) {
    case 'counter': {
      const counter = new Counter(config)
      // A series that begins with its first event hides that event from rate().
      for (const labels of closedCombinations(meaning)) counter.inc(labels, 0)
      return counter
    }
    case 'gauge': {
      const gauge = new Gauge(config)
      for (const labels of closedCombinations(meaning)) gauge.set(labels, 0)
      return gauge
    }
    case 'histogram':
      return new Histogram({ ...config, buckets: [...meaning.buckets] })
  }
}

/** Every combination of label values where all of them are known beforehand; none where one is open. */
function closedCombinations(meaning: MetricMeaning): readonly Record<string, string>[] {
  return Object.entries(meaning.labels).reduce<Record<string, string>[]>(
    (all, [label, values]) =>
      typeof values === 'string'
        ? []
        : all.flatMap((labels) => values.map((value) => ({ ...labels, [label]: value }))),
    [{}],
  )
}

/** NACKs since the start, class by class; those that did not occur are left out. */
export async function nacksByClass(registry: Registry): Promise<Readonly<Record<string, number>>> {
  const metric = registry.getSingleMetric(`${PREFIX}${METRICS.sdsNacks.name}`)
  const values = (await metric?.get())?.values ?? []
  return Object.fromEntries(
    values.flatMap(({ labels, value }) => (value > 0 ? [[String(labels['class']), value]] : [])),
  )
}
