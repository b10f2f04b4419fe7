import { Registry } from 'prom-client'
import type { Clock } from '../../runtime/clock.ts'
import { createMetric } from '../create-metric.ts'
import type { CounterOf, GaugeOf, HistogramOf, LabelsIn } from '../create-metric.ts'
import { OF_A_SERVER, SERVER_PREFIX } from './table.ts'
import type { ServerMetricName } from './table.ts'

type Table = typeof OF_A_SERVER
type Metrics = {
  readonly [N in ServerMetricName]: Table[N]['type'] extends 'counter'
    ? CounterOf<LabelsIn<Table[N]>>
    : Table[N]['type'] extends 'gauge'
      ? GaugeOf<LabelsIn<Table[N]>>
      : HistogramOf<LabelsIn<Table[N]>>
}

interface Slots {
  readonly slots: readonly {
    readonly status: 'prepared' | 'active' | 'old' | 'tainted'
    readonly notAfter: number
  }[]
  readonly fault?: string
}

/** What is looked at for each scrape. */
export interface ScrapedServer {
  /** Rejects while the store does not answer. */
  counts(): Promise<{ readonly entries: number; readonly agents: number; readonly bundles: number }>
  readonly agentsConnected: number
  /** undefined: there is no own bundle. */
  readonly bundleSequence: number | undefined
  readonly authorities: Readonly<Record<'x509' | 'jwt', Slots>>
  /** Of the server's own, ms since the epoch. */
  readonly svidNotAfter: number
  ready(): Promise<boolean>
}

/** Those that are counted as things happen; the others are read at each scrape. */
export interface ServerMetrics extends Pick<
  Metrics,
  'rpcs' | 'rpcDuration' | 'issued' | 'denials' | 'changes' | 'storeDuration' | 'storeFailures'
> {
  /** What `/metrics` answers with. */
  textOf(scraped: ScrapedServer): {
    readonly contentType: string
    metrics(): Promise<string>
  }
}

export function createServerMetrics({
  clock,
  version,
}: {
  readonly clock: Clock
  readonly version: string
}): ServerMetrics {
  const registry = new Registry()
  const home = { registry, prefix: SERVER_PREFIX }
  const metrics = Object.fromEntries(
    Object.entries(OF_A_SERVER).map(([name, meaning]) => [name, createMetric(meaning, home)]),
  ) as unknown as Metrics
  metrics.buildInfo.set({ version }, 1)
  return {
    ...metrics,
    textOf: (scraped) => ({
      contentType: registry.contentType,
      async metrics() {
        readAuthorities(metrics, scraped, clock.now())
        metrics.agentsConnected.set(scraped.agentsConnected)
        setOrRemove(metrics.bundleSequence, scraped.bundleSequence)
        metrics.svidSecondsLeft.set((scraped.svidNotAfter - clock.now()) / 1000)
        const [counts, ready] = await Promise.all([
          scraped.counts().catch(() => undefined),
          scraped.ready().catch(() => false),
        ])
        setOrRemove(metrics.entries, counts?.entries)
        setOrRemove(metrics.agents, counts?.agents)
        setOrRemove(metrics.bundles, counts?.bundles)
        metrics.ready.set(ready ? 1 : 0)
        return await registry.metrics()
      },
    }),
  }
}

function readAuthorities(metrics: Metrics, { authorities }: ScrapedServer, now: number): void {
  for (const kind of ['x509', 'jwt'] as const) {
    const { slots, fault } = authorities[kind]
    for (const status of ['prepared', 'active', 'old', 'tainted'] as const) {
      const count = slots.filter((slot) => slot.status === status).length
      metrics.authoritySlots.set({ kind, status }, count)
    }
    const active = slots.find(({ status }) => status === 'active')
    if (active === undefined) metrics.authorityActiveSecondsLeft.remove({ kind })
    else metrics.authorityActiveSecondsLeft.set({ kind }, (active.notAfter - now) / 1000)
    metrics.authorityFault.set({ kind }, fault === undefined ? 0 : 1)
  }
}

/** No series says that it is not known. */
function setOrRemove(gauge: GaugeOf<Record<never, never>>, value: number | undefined): void {
  if (value === undefined) gauge.remove()
  else gauge.set(value)
}
