import type { Registry } from 'prom-client'
import type { Clock } from '../runtime/clock.ts'
import { configOf, createMetric } from './create-metric.ts'
import type { CounterOf, GaugeOf, HistogramOf, LabelsIn } from './create-metric.ts'
import { createExpiryGauge, lifeLeft, secondsLeft } from './expiry-gauge.ts'
import type { ExpiryGauge, Life } from './expiry-gauge.ts'
import { METRICS, PREFIX } from './metrics-table.ts'
import type { MetricName } from './metrics-table.ts'

type Table = typeof METRICS
type LabelsOf<N extends MetricName> = LabelsIn<Table[N]>

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
  const own = { registry, prefix: PREFIX }
  const expiring = <T>(
    gauges: Partial<Record<MetricName, string | undefined>>,
    left: (end: T, now: number) => number,
  ): Record<string, ExpiryGauge<T>> =>
    Object.fromEntries(
      Object.entries(gauges).map(([name, label]) => {
        const config = configOf(METRICS[name as MetricName], own)
        const common = { config, clock, maxSeries: MOST_SPIFFE_IDS, left }
        return [name, createExpiryGauge({ ...common, ...(label !== undefined && { label }) })]
      }),
    )
  const counted = { ...expiring(SECONDS_LEFT, secondsLeft), ...expiring(LIFE_LEFT, lifeLeft) }
  const plain = Object.entries(METRICS)
    .filter(([name]) => !Object.hasOwn(counted, name))
    .map(([name, meaning]) => [name, createMetric(meaning, own)])
  const metrics = { ...Object.fromEntries(plain), ...counted } as Metrics
  metrics.buildInfo.set({ version: options.version }, 1)
  return metrics
}

/** NACKs since the start, class by class; those that did not occur are left out. */
export async function nacksByClass(registry: Registry): Promise<Readonly<Record<string, number>>> {
  const metric = registry.getSingleMetric(`${PREFIX}${METRICS.sdsNacks.name}`)
  const values = (await metric?.get())?.values ?? []
  return Object.fromEntries(
    values.flatMap(({ labels, value }) => (value > 0 ? [[String(labels['class']), value]] : [])),
  )
}
