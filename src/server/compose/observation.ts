/** What is seen of a server from outside: `/metrics`, `/live` and `/ready`. */
import type { ServerConfig } from '../../config/server/server-config.ts'
import { startHttp } from '../../http/server.ts'
import type { HttpServer } from '../../http/server.ts'
import type { Clock } from '../../runtime/clock.ts'
import { status } from '../../runtime/grpc-status.ts'
import type { Store } from '../../store/port.ts'
import { createHealth } from '../../telemetry/health.ts'
import { createServerMetrics } from '../../telemetry/server/metrics.ts'
import type { ServerMetrics } from '../../telemetry/server/metrics.ts'
import type { EndedCall } from '../../wire/peer-server.ts'
import { permittedPaths } from '../admit/permissions.ts'
import { tapAudit } from '../audit/audit.ts'
import type { DoorRefusalReason } from '../admit/door.ts'
import type { Audit } from '../audit/audit.ts'
import type { Registry } from '../enroll/registry.ts'
import type { IssuingEvent } from '../issue/issuing-event.ts'
import type { Issuing } from '../issue/issuing.ts'
import type { FleetView } from '../publish/fleet-view.ts'
import { serverHealthChecks } from './health.ts'
import { measuredIssuing } from './measured-issuing.ts'
import { measuredStore } from './measured-store.ts'

export interface Observation {
  /** The same, of which is counted what goes through them. */
  store(store: Store): Store
  audit(audit: Audit): Audit
  issuing(issuing: Issuing): Issuing
  /** To be told of what happens to the authorities. */
  told(event: IssuingEvent): void
  /** To be told of a connection that was closed before it was served. */
  refused(reason: DoorRefusalReason): void
  /** To be told of the end of each call. */
  ended(call: EndedCall): void
  /** undefined: it is switched off. @throws SpindleError `listen_failed` */
  serve(seen: Seen): Promise<HttpServer | undefined>
}

/** What is looked at. */
interface Seen {
  readonly config: Pick<ServerConfig, 'http' | 'admin' | 'trustDomain'> & {
    readonly authority: Pick<ServerConfig['authority'], 'kind'>
  }
  readonly store: Store
  readonly registry: Pick<Registry, 'bundle'>
  readonly issuing: Issuing
  readonly fleet: Pick<FleetView, 'connected' | 'haveBundle'>
  readonly descriptors: number
}

const X509 = { kind: 'x509' } as const
const HEALTH_DEADLINE_MS = 2_000
const CODES: ReadonlyMap<number, string> = new Map(
  Object.entries(status).map(([name, code]) => [code, name]),
)

export function createObservation(parts: {
  readonly clock: Clock
  readonly version: string
  readonly logFailures?: () => number
}): Observation {
  const { clock } = parts
  const metrics = createServerMetrics(parts)
  // What a client makes up must not make a series.
  const known = new Set(permittedPaths())
  let aboveTold = false
  return {
    store: (store) => measuredStore(store, clock, metrics),
    audit: (audit) =>
      tapAudit(audit, (event) => {
        if (event.event === 'issued') metrics.issued.inc({ kind: event.issued })
        else if (event.event === 'changed') metrics.changes.inc({ object: event.object })
        else if (event.event === 'denied') metrics.denials.inc({ reason: event.reason })
      }),
    issuing: (issuing) => measuredIssuing(issuing, metrics),
    told(event) {
      if (event.of === 'svid' && event.event.kind === 'failed') metrics.issueFailures.inc(X509)
      if (event.of !== 'publication' && event.of !== 'above') return
      const gauge = event.of === 'above' ? metrics.aboveFault : metrics.publicationFault
      gauge.set(event.fault === undefined ? 0 : 1)
      aboveTold ||= event.of === 'above'
    },
    refused: (reason) => metrics.connectionsRefused.inc({ reason }),
    ended({ path, code, tookMs, isStream }) {
      const rpc = known.has(path) ? path.slice(1) : 'other'
      metrics.rpcs.inc({ rpc, code: CODES.get(code) ?? String(code) })
      if (!isStream) metrics.rpcDuration.observe({ rpc }, tookMs / 1000)
    },
    serve(seen) {
      if (seen.config.authority.kind === 'server' && !aboveTold) metrics.aboveFault.set(0)
      return serve(seen, { ...parts, metrics })
    },
  }
}

async function serve(
  { config, store, registry, issuing, fleet, descriptors }: Seen,
  {
    clock,
    metrics,
    logFailures = () => 0,
  }: {
    readonly clock: Clock
    readonly metrics: ServerMetrics
    readonly logFailures?: () => number
  },
): Promise<HttpServer | undefined> {
  const { http, admin, trustDomain } = config
  if (http === undefined) return undefined
  const checks = serverHealthChecks({ clock, adminSocket: admin.socket, store, issuing })
  const health = createHealth({ clock, deadlineMs: HEALTH_DEADLINE_MS, checks })
  const text = metrics.textOf({
    async counts() {
      const [entries, agents, bundles] = await Promise.all([
        store.entries.count({}),
        store.agents.count({}),
        store.bundles.count(),
      ])
      return { entries, agents, bundles }
    },
    get agentsConnected() {
      return fleet.connected
    },
    get bundleSequence() {
      return registry.bundle(trustDomain)?.sequence
    },
    get authorities() {
      return { x509: issuing.x509.state.current, jwt: issuing.jwt.state.current }
    },
    get agentsBehind() {
      const sequence = registry.bundle(trustDomain)?.sequence
      return sequence === undefined ? 0 : fleet.haveBundle(sequence).behind.length
    },
    get svid() {
      return issuing.svid.current
    },
    get logFailures() {
      return logFailures()
    },
    ready: async () => (await health.ready()).ok,
  })
  return await startHttp({ ...http, descriptors, metrics: text, health, clock })
}
