/**
 * `spindle.sync.v1` for the agents of a fleet: each has what it may serve, and hears of what changes in it at once. What a change
 * costs grows with the agents it concerns; while nothing changes, nothing is done.
 */
import type { Server } from '@grpc/grpc-js'
import { SyncService } from '../../gen/spindle/sync/v1/sync_pb.js'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError, codeOf, messageOf } from '../../runtime/errors.ts'
import { createSlices, onceATurn } from '../../runtime/slices.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { Store } from '../../store/port.ts'
import type { Log } from '../../telemetry/log.ts'
import { serviceDefinition } from '../../wire/service.ts'
import { statusOf } from '../../wire/status.ts'
import type { Refusal } from '../../wire/status.ts'
import { denial } from '../admit/admission.ts'
import type { AgentFault } from '../admit/admission.ts'
import { auditCaller } from '../admit/peer.ts'
import type { ServerPeer } from '../admit/peer.ts'
import type { PeerVerifier } from '../admit/verify-peer.ts'
import type { Audit } from '../audit/audit.ts'
import type { Registry } from '../enroll/registry.ts'
import { createCalls } from './calls.ts'
import { changedNames } from './changed-names.ts'
import { createRoundEncoder } from './encoder.ts'
import type { FleetView } from './fleet-view.ts'
import { createFleetView, saidOf } from './fleet-view.ts'
import { tokenOf } from './resume.ts'
import { shareReports } from './shared-reports.ts'
import type { SharedReports, Sharing } from './shared-reports.ts'
import { SyncCall } from './sync-call.ts'
import type { SyncStream } from './sync-call.ts'
import type { OpenCall, SyncContext, SyncPeer } from './sync-context.ts'

export interface SyncParts {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly registry: Registry
  readonly store: {
    readonly changes: Pick<Store['changes'], 'since'>
    readonly agents: Pick<Store['agents'], 'change'>
  }
  readonly verifier: Pick<PeerVerifier, 'faultOf'>
  readonly audit: Audit
  readonly log: Log
  /** undefined: no other server can be on the store. */
  readonly sharing?: Pick<Sharing, 'serverId' | 'store' | 'random'>
}

/** A way in, as server/serve has it. */
interface Way {
  readonly server: Pick<Server, 'addService'>
  peerOf(call: { getAuthContext(): unknown }): ServerPeer
}

/** An ApiService of server/serve, and what it knows of the fleet. */
export interface SyncPublishing extends FleetView {
  addTo(way: Way): void
  /** Ends every call with UNAVAILABLE, and takes no more. */
  endStreams(why: string): void
  /** After the streams have ended. */
  close(): Promise<void>
}

const METHOD = `/${SyncService.typeName}/${SyncService.method.sync.name}`
/** The second takes over with a renewed SVID. */
const MOST_CALLS = 2
/** Calls that are looked at in one turn of the event loop. */
const CALLS_A_TURN = 50
/** A version is shown to operators, by tools that take a text as it is. */
const SHOWABLE = /^[\x20-\x7e]+$/

export function createSyncService(parts: SyncParts): SyncPublishing {
  const { registry, trustDomain, clock, log } = parts
  const calls = createCalls()
  const encoder = createRoundEncoder(clock)
  const listeners = new Set<() => void>()
  const tell = onceATurn(listeners)
  const shared: SharedReports | undefined =
    parts.sharing &&
    shareReports({
      ...parts.sharing,
      clock,
      log,
      saidOf: (agent) => saidOf(calls, trustDomain, agent),
    })
  const progressed = ({ peer }: OpenCall): void => {
    shared?.changed(peer.svid.spiffeId)
    tell()
  }
  let stopped: string | undefined

  const context: SyncContext = {
    clock,
    trustDomain,
    registry,
    encoder,
    progressed,
    pushes: createSlices<OpenCall>(CALLS_A_TURN, (call) => call.push()),
    refusalOf: refusals(parts),
    tokenOf: (holding) => tokenOf(holding, registry.position, encoder.digestOf),
    changedSince: (revision) => changesSince(parts, revision),
    runs: (peer, version) => void noteVersion(parts, peer, version),
    follow: calls.follow,
    failed: (call, thrown) => reportFailure(log, call, thrown),
    closed(call, error) {
      const { spiffeId } = call.peer.svid
      calls.delete(spiffeId, call)
      const why = error === undefined ? 'the agent ended it' : statusOf(error).details
      log.debug({ agent: spiffeId, why }, 'a sync stream of an agent has ended')
      progressed(call)
    },
  }

  const take = (stream: SyncStream, peer: ServerPeer): void => {
    const refuse = (why: Refusal): void => void stream.emit('error', statusOf(why))
    if (stopped !== undefined) return refuse(new SpindleError('not_ready', stopped))
    if (!isSyncPeer(peer))
      return refuse(new SpindleError('svid_refused', 'the sync stream is for agents'))
    const { spiffeId } = peer.svid
    if (calls.count(spiffeId) >= MOST_CALLS)
      return refuse(new SpindleError('limit_reached', `an agent has ${MOST_CALLS} calls at most`))
    const call = new SyncCall(stream, peer, context)
    calls.add(spiffeId, call)
    log.debug({ agent: spiffeId }, 'an agent has opened a sync stream')
    progressed(call)
  }

  const unsubscribe = registry.onChange((change) => {
    for (const call of calls.concernedBy(change, trustDomain)) call.changed()
  })

  const elsewhere = async () => (await shared?.ofOthers()) ?? new Map<never, never>()
  const view = createFleetView(calls, trustDomain, { elsewhere, listeners })
  return Object.assign(view, {
    addTo(way: Way) {
      way.server.addService(serviceDefinition(SyncService), {
        Sync: (stream: SyncStream & Parameters<Way['peerOf']>[0]) =>
          take(stream, way.peerOf(stream)),
      })
    },
    endStreams(why: string) {
      stopped = why
      unsubscribe()
      for (const call of Array.from(calls.all())) call.end(new SpindleError('not_ready', why))
      encoder.close()
    },
    async close() {
      await shared?.close()
    },
  })
}

function isSyncPeer(peer: ServerPeer): peer is SyncPeer {
  return peer.kind === 'remote' && peer.svid !== undefined
}

/** What admission looks at for each call, for one that stays open. That the SVID is no longer the active one does not end it. */
function refusals({ registry, verifier, clock, audit }: SyncParts): SyncContext['refusalOf'] {
  const agentFault = ({ svid }: SyncPeer): AgentFault | undefined => {
    if (clock.now() > svid.notAfter) return 'expired'
    const agent = registry.agent(svid.spiffeId)
    if (agent === undefined) return 'not-attested'
    return agent.banned ? 'banned' : undefined
  }
  return (peer, { authoritiesChanged }) => {
    const fault = agentFault(peer)
    const reason = fault ?? (authoritiesChanged ? verifier.faultOf(peer.svid) : undefined)
    if (reason === undefined) return undefined
    audit.write({ event: 'denied', caller: auditCaller(peer), method: METHOD, reason })
    if (reason !== 'untrusted') return denial(METHOD, reason)
    const text = `the certificate of ${peer.svid.spiffeId} is signed by no authority that is trusted`
    return new SpindleError('svid_refused', text)
  }
}

async function changesSince(
  { registry, store, log }: SyncParts,
  revision: number,
): ReturnType<SyncContext['changedSince']> {
  try {
    return await changedNames(store.changes, { ...registry.position, revision })
  } catch (thrown) {
    // A full round needs no store.
    log.debug({ error: messageOf(thrown) }, 'the log of changes cannot be read')
    return undefined
  }
}

async function noteVersion(
  { registry, store, audit, log }: SyncParts,
  peer: SyncPeer,
  version: string,
): Promise<void> {
  const id = peer.svid.spiffeId
  if (!SHOWABLE.test(version) || registry.agent(id)?.version === version) return
  try {
    const changed = await store.agents.change(id, (agent) => agent && { ...agent, version })
    if (changed === undefined) return
    const of = { caller: auditCaller(peer), method: METHOD, object: 'agent', key: id } as const
    audit.write({ event: 'changed', ...of, action: 'version' })
  } catch (thrown) {
    log.debug({ agent: id, error: messageOf(thrown) }, 'the version of an agent was not stored')
  }
}

function reportFailure(log: Log, call: OpenCall, thrown: unknown): void {
  const fields = { agent: call.peer.svid.spiffeId, error: messageOf(thrown) }
  const code = codeOf(thrown)
  if (code === 'internal') log.error(fields, 'a sync stream failed: report it')
  else if (code === 'store_unavailable') log.debug(fields, 'a sync stream cannot begin')
  else log.warn(fields, 'an agent breaks the rules of the sync stream')
}
