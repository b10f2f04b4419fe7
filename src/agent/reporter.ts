/** What happens in the agent, as metrics and log lines; the stages only say that it happened. */
import type { AuthorityState } from '../authority/authority.ts'
import type { AuthorityEvent } from '../authority/slot.ts'
import { parseCertificate } from '../certs/parse.ts'
import type { Fault } from '../config/fault.ts'
import { faultLine } from '../config/fault.ts'
import type { PeerHandle } from '../os/peer-credentials.ts'
import type { Registry } from '../registration/match.ts'
import type { ErrorCode } from '../runtime/errors.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Connection } from './accept/connection.ts'
import type { Caller } from './match/caller.ts'
import type { SourceState } from './match/source.ts'
import type { IdentityEvent } from './obtain/held-identity.ts'
import type { Identity } from './obtain/identity.ts'
import type { ConnectionReport } from './socket.ts'

export interface Reporter {
  peerHandle(handle: PeerHandle): void
  reloaded(state: SourceState): void
  warnings(source: string, warnings: readonly Fault[]): void
  registry(registry: Registry): void
  authority(state: AuthorityState): void
  authorityEvent(event: AuthorityEvent): void
  attested(caller: Caller, elapsedMs: number): void
  attestationRefused(connection: Connection, code: ErrorCode, message: string): void
  identityEvent(event: IdentityEvent): void
  /** Before each scrape: what is current just now. */
  identities(current: readonly Identity[]): void
  bundles(bundles: ReadonlyMap<TrustDomain, Bundle>): void
  readonly connections: ConnectionReport
  readonly adminConnections: ConnectionReport
}

export function createReporter(metrics: Metrics, log: Log, own: TrustDomain): Reporter {
  return {
    ...reportSources(metrics, log),
    ...reportAuthority(metrics, log),
    ...reportCallers(metrics, log),
    identityEvent: (event) => tellIdentity(metrics, log, event),
    identities: reportIdentities(metrics),
    bundles: reportBundles(metrics, log, own),
  }
}

const about = ({ id, peer }: Connection): Record<string, unknown> => ({
  connection: id,
  pid: peer.pid,
  uid: peer.uid,
})

function reportSources(
  metrics: Metrics,
  log: Log,
): Pick<Reporter, 'reloaded' | 'warnings' | 'registry'> {
  return {
    reloaded({ name: source, file, fault }) {
      metrics.reloads.inc({ source, result: fault === undefined ? 'ok' : 'failed' })
      metrics.reloadOk.set({ source }, fault === undefined ? 1 : 0)
      if (fault === undefined) log.info({ source, file }, 'file read')
      else log.error({ source, file, fault }, 'file not used; the last good one stays in force')
    },
    warnings(source, warnings) {
      metrics.reloadOk.set({ source }, 1)
      for (const warning of warnings) log.warn({ source, warning: faultLine(warning) }, 'file')
    },
    registry: (registry) => metrics.entries.set(registry.entries.length),
  }
}

function reportAuthority(
  metrics: Metrics,
  log: Log,
): Pick<Reporter, 'authority' | 'authorityEvent'> {
  return {
    authority(state) {
      for (const status of ['prepared', 'active', 'old'] as const)
        metrics.authoritySlots.set(
          { status },
          state.slots.filter((slot) => slot.status === status).length,
        )
      const active = state.slots.find((slot) => slot.status === 'active')
      if (active === undefined) metrics.authorityActiveSecondsLeft.remove('')
      else metrics.authorityActiveSecondsLeft.set('', active.notAfter)
      metrics.authorityFault.set(state.fault === undefined ? 0 : 1)
    },
    authorityEvent(event) {
      const { kind, ...fields } = event
      switch (event.kind) {
        case 'issued':
          break
        case 'failed':
        case 'unsaved':
        case 'reload_failed':
        case 'state_set_aside':
          log.error({ event: kind, ...fields }, 'authority')
          break
        case 'prepared':
        case 'activated':
        case 'pruned':
        case 'reloaded':
          log.info({ event: kind, ...fields }, 'authority')
          break
      }
    },
  }
}

function reportCallers(
  metrics: Metrics,
  log: Log,
): Pick<
  Reporter,
  'attested' | 'attestationRefused' | 'connections' | 'adminConnections' | 'peerHandle'
> {
  const weaklyHeld = (connection: Connection, handle: PeerHandle): void => {
    metrics.peerCredentialsPidfd.set(0)
    log.warn({ ...about(connection), handle }, 'caller is not held on to by a pidfd of the kernel')
  }
  const refused: ConnectionReport['refused'] = ({ reason, detail }) => {
    metrics.connectionsRefused.inc({ reason })
    log.warn({ reason, detail }, 'connection refused')
  }
  const quiet = { opened: () => undefined, closed: () => undefined }
  return {
    peerHandle(handle) {
      metrics.peerCredentialsPidfd.set(handle === 'peer-pidfd' ? 1 : 0)
      if (handle !== 'peer-pidfd')
        log.warn({ handle }, 'this kernel gives no pidfd of a peer: callers are known less surely')
    },
    attested(caller, elapsedMs) {
      metrics.attestation.observe(elapsedMs / 1000)
      log.debug({ ...about(caller.connection), elapsedMs }, 'caller attested')
    },
    attestationRefused(connection, code, message) {
      metrics.attestationRefusals.inc({ reason: code })
      log.warn({ ...about(connection), code, detail: message }, 'caller not attested')
    },
    connections: {
      opened(connection) {
        metrics.connections.inc()
        log.debug(about(connection), 'connection opened')
      },
      closed(connection, reason) {
        metrics.connections.dec()
        log.debug({ ...about(connection), reason }, 'connection closed')
      },
      refused,
      weaklyHeld,
    },
    adminConnections: { ...quiet, refused, weaklyHeld },
  }
}

function tellIdentity(metrics: Metrics, log: Log, event: IdentityEvent): void {
  switch (event.kind) {
    case 'issued': {
      const { spiffeId } = event.entry
      const { notAfter, authorityId } = event.svid
      metrics.issue.observe(event.tookMs / 1000)
      metrics.rotations.inc({ result: 'ok' })
      if (event.lagMs !== undefined) metrics.rotationLag.observe(event.lagMs / 1000)
      log.info(
        { spiffeId, notAfter: new Date(notAfter).toISOString(), authorityId },
        'X.509-SVID issued',
      )
      break
    }
    case 'failed':
      metrics.issueFailures.inc()
      metrics.rotations.inc({ result: 'failed' })
      log.error(
        {
          spiffeId: event.entry.spiffeId,
          code: event.code,
          detail: event.message,
          retryMs: event.retryMs,
        },
        'X.509-SVID not issued',
      )
      break
    case 'expired':
      log.error({ spiffeId: event.entry.spiffeId }, 'X.509-SVID expired; it is not served any more')
      break
    case 'clock_jumped':
      metrics.clockJumps.inc({ direction: event.byMs > 0 ? 'forward' : 'backward' })
      log.warn({ byMs: event.byMs }, 'the clock of the machine jumped')
      break
  }
}

/** Of several SVIDs of one SPIFFE ID the one that ends first counts. */
function reportIdentities(metrics: Metrics): Reporter['identities'] {
  let before: ReadonlySet<string> = new Set()
  return (current) => {
    metrics.identities.set(current.length)
    const ends = new Map<string, number>()
    for (const { entry, svid } of current)
      ends.set(entry.spiffeId, Math.min(svid.notAfter, ends.get(entry.spiffeId) ?? Infinity))
    for (const spiffeId of before)
      if (!ends.has(spiffeId)) metrics.secretSecondsLeft.remove(spiffeId)
    for (const [spiffeId, notAfter] of ends) metrics.secretSecondsLeft.set(spiffeId, notAfter)
    before = new Set(ends.keys())
  }
}

function reportBundles(metrics: Metrics, log: Log, own: TrustDomain): Reporter['bundles'] {
  let before: ReadonlyMap<TrustDomain, Bundle> = new Map()
  return (bundles) => {
    for (const name of before.keys())
      if (!bundles.has(name)) {
        metrics.bundleCertificates.remove({ trust_domain: name })
        metrics.bundleSecondsLeft.remove(name)
      }
    for (const [name, bundle] of bundles) {
      if (before.get(name) === bundle) continue
      const ends = bundle.x509Authorities.map((der) => parseCertificate(der, name).notAfter)
      metrics.bundleCertificates.set({ trust_domain: name }, ends.length)
      if (ends.length === 0) metrics.bundleSecondsLeft.remove(name)
      else metrics.bundleSecondsLeft.set(name, Math.max(...ends))
      log.info(
        { trustDomain: name, own: name === own, certificates: ends.length },
        'bundle in force',
      )
    }
    before = bundles
  }
}
