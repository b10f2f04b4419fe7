/** A row of a table of metrics as a metric of prom-client. */
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import type { MetricMeaning } from './metric-labels.ts'

/** The labels of a row: those of a closed set by their values. */
export type LabelsIn<Row extends MetricMeaning> = {
  readonly [L in keyof Row['labels']]: Row['labels'][L] extends readonly (infer V)[] ? V : string
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

/** Where metrics are, and what their names begin with. */
export interface MetricHome {
  readonly registry: Registry
  readonly prefix: string
}

export function configOf(meaning: MetricMeaning, { registry, prefix }: MetricHome) {
  return {
    name: `${prefix}${meaning.name}`,
    help: meaning.help,
    labelNames: Object.keys(meaning.labels),
    registers: [registry],
  }
}

export function createMetric(
  meaning: MetricMeaning,
  home: MetricHome,
): Counter | Gauge | Histogram {
  const config = configOf(meaning, home)
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
