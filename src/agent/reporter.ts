/** What happens in the agent, as metrics and log lines; the stages only say that it happened. */
import type { AuthorityEvent, AuthorityState, SlotView } from '../authority/authority.ts'
import type { JwtAuthorityState } from '../authority/jwt/jwt-authority.ts'
import type { Fault } from '../config/fault.ts'
import { faultLine } from '../config/fault.ts'
import type { PeerHandle } from '../os/peer-credentials.ts'
import type { Registry } from '../registration/match.ts'
import type { ErrorCode } from '../runtime/errors.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Seldom } from '../telemetry/seldom.ts'
import type { Connection } from './accept/connection.ts'
import type { ConnectionReport } from './accept/socket.ts'
import { reportBundles, reportMoment, showLife } from './gauges.ts'
import type { BothLeft, Moment } from './gauges.ts'
import type { Caller } from './match/caller.ts'
import type { SourceState } from './match/source.ts'
import type { CacheEvent } from './obtain/cache/cache.ts'
import type { IdentityEvent } from './obtain/identity.ts'
import type { JwtSvidEvent } from './obtain/jwt-svids.ts'

export interface Reporter {
  peerHandle(handle: PeerHandle): void
  reloaded(state: SourceState): void
  warnings(source: string, warnings: readonly Fault[]): void
  /** undefined: not there yet. */
  registry(registry: Registry | undefined): void
  authority(state: AuthorityState): void
  authorityEvent(event: AuthorityEvent): void
  jwtAuthority(state: JwtAuthorityState): void
  jwtAuthorityEvent(event: AuthorityEvent): void
  attested(caller: Caller, elapsedMs: number): void
  attestationRefused(connection: Connection, code: ErrorCode, message: string): void
  identityEvent(event: IdentityEvent): void
  cacheEvent(event: CacheEvent): void
  jwtSvidEvent(event: JwtSvidEvent): void
  /** Before each scrape. */
  moment(moment: Moment): void
  bundles(bundles: ReadonlyMap<TrustDomain, Bundle>): void
  readonly connections: ConnectionReport
  readonly adminConnections: ConnectionReport
}

export interface ReporterParts {
  readonly metrics: Metrics
  readonly log: Log
  /** For what callers cause. */
  readonly seldom: Seldom
  /** The agent's own trust domain. */
  readonly own: TrustDomain
}

export function createReporter({ metrics, log, seldom, own }: ReporterParts): Reporter {
  return {
    ...reportSources(metrics, log),
    ...reportAuthority(metrics, log),
    ...reportJwt(metrics, log, seldom),
    ...reportCallers(metrics, log, seldom),
    identityEvent: (event) => tellIdentity(metrics, log, { event, seldom }),
    cacheEvent: (event) => tellCache(metrics, log, event),
    moment: reportMoment(metrics),
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
    registry: (registry) => metrics.entries.set(registry?.entries.length ?? 0),
  }
}

function reportAuthority(
  metrics: Metrics,
  log: Log,
): Pick<Reporter, 'authority' | 'authorityEvent'> {
  return {
    authority(state) {
      showSlots(state.slots, {
        count: metrics.authoritySlots,
        left: [metrics.authorityActiveSecondsLeft, metrics.authorityActiveLifeLeft],
      })
      const { authorityAttachedSecondsLeft, authorityAttachedLifeLeft } = metrics
      showLife([authorityAttachedSecondsLeft, authorityAttachedLifeLeft], '', state.attached)
      metrics.authorityFault.set(state.fault === undefined ? 0 : 1)
    },
    authorityEvent: (event) => tellAuthority(log, event, 'authority'),
  }
}

function showSlots(
  slots: readonly SlotView[],
  gauges: { readonly count: Metrics['authoritySlots']; readonly left: BothLeft },
): void {
  for (const status of ['prepared', 'active', 'old', 'tainted'] as const)
    gauges.count.set({ status }, slots.filter((slot) => slot.status === status).length)
  const active = slots.find((slot) => slot.status === 'active')
  showLife(gauges.left, '', active)
}

function tellAuthority(log: Log, event: AuthorityEvent, name: string): void {
  const { kind, ...fields } = event
  switch (event.kind) {
    case 'issued':
      break
    case 'failed':
    case 'unsaved':
    case 'reload_failed':
    case 'state_set_aside':
      log.error({ event: kind, ...fields }, name)
      break
    case 'prepared':
    case 'activated':
    case 'pruned':
    case 'tainted':
    case 'revoked':
    case 'reloaded':
      log.info({ event: kind, ...fields }, name)
      break
  }
}

function reportJwt(
  metrics: Metrics,
  log: Log,
  seldom: Seldom,
): Pick<Reporter, 'jwtAuthority' | 'jwtAuthorityEvent' | 'jwtSvidEvent'> {
  return {
    jwtAuthority(state) {
      showSlots(state.slots, {
        count: metrics.jwtAuthoritySlots,
        left: [metrics.jwtAuthorityActiveSecondsLeft, metrics.jwtAuthorityActiveLifeLeft],
      })
      metrics.jwtAuthorityFault.set(state.fault === undefined ? 0 : 1)
    },
    jwtAuthorityEvent(event) {
      if (event.kind === 'issued') metrics.jwtSign.observe(event.tookMs / 1000)
      tellAuthority(log, event, 'JWT authority')
    },
    jwtSvidEvent(event) {
      const { kind, entry, ...fields } = event
      const { id, spiffeId } = entry
      metrics.jwtSvids.inc({ result: kind })
      if (kind === 'failed') seldom.error(id, { spiffeId, ...fields }, 'JWT-SVID not signed')
      else if (kind === 'signed') log.debug({ spiffeId, ...fields }, 'JWT-SVID signed')
      // JI-9 (JWT-SVID 3.2, 7.2): each of the audiences could present it to the others.
      if (kind === 'signed' && event.audiences > 1)
        seldom.warn(id, { spiffeId, audiences: event.audiences }, 'JWT-SVID for several audiences')
    },
  }
}

function reportCallers(
  metrics: Metrics,
  log: Log,
  seldom: Seldom,
): Pick<
  Reporter,
  'attested' | 'attestationRefused' | 'connections' | 'adminConnections' | 'peerHandle'
> {
  const weaklyHeld = (connection: Connection, handle: PeerHandle): void => {
    metrics.peerCredentialsPidfd.set(0)
    seldom.warn(
      handle,
      { ...about(connection), handle },
      'caller is not held on to by a pidfd of the kernel',
    )
  }
  const refused: ConnectionReport['refused'] = ({ reason, detail }) => {
    metrics.connectionsRefused.inc({ reason })
    seldom.warn(reason, { reason, detail }, 'connection refused')
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
      const fields = { ...about(connection), code, detail: message }
      seldom.warn(connection.peer.uid, fields, 'caller not attested')
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

function tellCache(metrics: Metrics, log: Log, event: CacheEvent): void {
  const { kind, ...fields } = event
  if (kind === 'set_aside') metrics.serverCacheSetAside.inc()
  if (kind === 'saved_again') log.info({ event: kind, ...fields }, 'cache')
  else log.error({ event: kind, ...fields }, 'cache')
}

function tellIdentity(
  metrics: Metrics,
  log: Log,
  { event, seldom }: { readonly event: IdentityEvent; readonly seldom: Seldom },
): void {
  switch (event.kind) {
    case 'issued': {
      const { spiffeId } = event.entry
      const { notAfter, authorityId } = event.svid
      metrics.issue.observe(event.tookMs / 1000)
      if (event.renewal) metrics.rotations.inc({ result: 'ok' })
      if (event.lagMs !== undefined) metrics.rotationLag.observe(event.lagMs / 1000)
      log.info(
        { spiffeId, notAfter: new Date(notAfter).toISOString(), authorityId },
        'X.509-SVID issued',
      )
      break
    }
    case 'failed':
      metrics.issueFailures.inc()
      if (event.renewal) metrics.rotations.inc({ result: 'failed' })
      {
        const { code, message: detail, retryMs } = event
        const fields = { spiffeId: event.entry.spiffeId, code, detail, retryMs }
        // While a server is away that is one fault, however many identities wait for it.
        if (event.entry.serverId !== undefined && code === 'authority_unavailable')
          seldom.error(code, fields, 'X.509-SVID not issued')
        else log.error(fields, 'X.509-SVID not issued')
      }
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
