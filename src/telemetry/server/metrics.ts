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

/** ms since the epoch */
interface Life {
  readonly notBefore: number
  readonly notAfter: number
}

interface Slots {
  readonly slots: readonly ({ readonly status: 'prepared' | 'active' | 'old' | 'tainted' } & Life)[]
  /** Of what is above them; undefined: nothing is, or another server looks after it. */
  readonly attached?: Life
  readonly fault?: string
}

/** What is looked at for each scrape. */
export interface ScrapedServer {
  /** Rejects while the store does not answer. */
  counts(): Promise<{ readonly entries: number; readonly agents: number; readonly bundles: number }>
  readonly agentsConnected: number
  /** Of those, who have not the newest own bundle. */
  readonly agentsBehind: number
  /** undefined: there is no own bundle. */
  readonly bundleSequence: number | undefined
  readonly authorities: Readonly<Record<'x509' | 'jwt', Slots>>
  /** The server's own X.509-SVID. */
  readonly svid: Life
  /** Since the start. */
  readonly logFailures: number
  ready(): Promise<boolean>
}

/** Those that are counted as things happen; the others are read at each scrape. */
export interface ServerMetrics extends Pick<
  Metrics,
  | 'rpcs'
  | 'rpcDuration'
  | 'issued'
  | 'issueFailures'
  | 'denials'
  | 'changes'
  | 'connectionsRefused'
  | 'aboveFault'
  | 'publicationFault'
  | 'storeDuration'
  | 'storeFailures'
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
  // Until it is known that there is one.
  metrics.aboveFault.remove()
  let logFailures = 0
  return {
    ...metrics,
    textOf: (scraped) => ({
      contentType: registry.contentType,
      async metrics() {
        const now = clock.now()
        readAuthorities(metrics, scraped, now)
        metrics.agentsConnected.set(scraped.agentsConnected)
        metrics.agentsBehind.set(scraped.agentsBehind)
        metrics.logFailures.inc(scraped.logFailures - logFailures)
        logFailures = scraped.logFailures
        setOrRemove(metrics.bundleSequence, scraped.bundleSequence)
        metrics.svidSecondsLeft.set((scraped.svid.notAfter - now) / 1000)
        metrics.svidLifeLeft.set(shareLeft(scraped.svid, now))
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
    if (active === undefined) {
      metrics.authorityActiveSecondsLeft.remove({ kind })
      metrics.authorityActiveLifeLeft.remove({ kind })
    } else {
      metrics.authorityActiveSecondsLeft.set({ kind }, (active.notAfter - now) / 1000)
      metrics.authorityActiveLifeLeft.set({ kind }, shareLeft(active, now))
    }
    metrics.authorityFault.set({ kind }, fault === undefined ? 0 : 1)
  }
  const { attached } = authorities.x509
  setOrRemove(metrics.authorityAttachedSecondsLeft, attached && (attached.notAfter - now) / 1000)
  setOrRemove(metrics.authorityAttachedLifeLeft, attached && shareLeft(attached, now))
}

const shareLeft = ({ notBefore, notAfter }: Life, now: number): number =>
  (notAfter - now) / (notAfter - notBefore)

/** No series says that it is not known. */
function setOrRemove(gauge: GaugeOf<Record<never, never>>, value: number | undefined): void {
  if (value === undefined) gauge.remove()
  else gauge.set(value)
}
