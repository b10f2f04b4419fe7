/** The state of the agent as the status page is told it. */
import type { X509Authority } from '../authority/authority.ts'
import type { JwtAuthority } from '../authority/jwt/jwt-authority.ts'
import type { AgentConfig } from '../config/agent-config.ts'
import type {
  HeldSecret,
  Sidecar as SidecarMessage,
  Slot,
  TrustBundle,
} from '#spindle/admin/v1/admin_pb.js'
import type { PageSecret, PageSidecar, PageSlot, PageState } from '../http/page-state.ts'
import type { PeerHandle } from '../os/peer-credentials.ts'
import type { Clock } from '../runtime/clock.ts'
import { nextTurn } from '../runtime/slices.ts'
import { NO_END } from '../telemetry/expiry-gauge.ts'
import type { Bundles } from './obtain/bundles.ts'
import type { Identities } from './obtain/identities.ts'
import { describeAuthority, describeBundle, describeSidecar } from './serve/describe.ts'
import { describeEntries } from './page/entries.ts'
import { given, instant } from './page/fields.ts'
import { describeWorkloads } from './page/workloads.ts'
import type { Sds } from './serve/sds.ts'
import type { Workload } from './serve/workload/service.ts'
import type { Sources } from './sources.ts'
import { sourceStates } from './status.ts'

export interface PageStateParts {
  readonly config: AgentConfig
  readonly version: string
  /** ms since the epoch */
  readonly startedAt: number
  readonly clock: Clock
  readonly handle: PeerHandle
  readonly connections: () => number
  readonly sds: Sds
  readonly workload: Pick<Workload, 'uses' | 'streams'>
  readonly identities: Identities
  readonly authority: X509Authority
  readonly jwtAuthority: JwtAuthority
  readonly bundles: Bundles
  readonly sources: Sources
  /** Since the start, by class. */
  readonly nacks: () => Promise<Readonly<Record<string, number>>>
}

/** Sidecars that are described in one turn of the event loop: pushes go before looks. */
const SIDECARS_A_TURN = 100

export async function describePage(parts: PageStateParts): Promise<PageState> {
  const { config, sds, workload, clock, authority, jwtAuthority, startedAt } = parts
  const at = clock.now()
  const nacks = await parts.nacks()
  const streamsOf = Map.groupBy(sds.streams, (stream) => stream.sidecar)
  const sidecars: PageSidecar[] = []
  for (const [sidecar, streams] of streamsOf) {
    sidecars.push(pageSidecar(describeSidecar(sidecar, streams)))
    if (sidecars.length % SIDECARS_A_TURN === 0) await nextTurn()
  }
  const callers = new Set([
    ...[...streamsOf.keys()].map(({ caller }) => caller),
    ...workload.uses.keys(),
  ])
  const { kind, slots, fault, jwtSlots, jwtFault } = describeAuthority(
    config.authority.kind,
    authority.state.current,
    jwtAuthority.state.current,
  )
  return {
    at,
    agent: {
      version: parts.version,
      trustDomain: config.trustDomain,
      pid: process.pid,
      startedAt,
      socket: config.socket,
      connections: parts.connections(),
      streams: sds.streams.size,
      workloadStreams: workload.streams.size,
      peerCredentials: parts.handle,
    },
    sidecars,
    workloads: await describeWorkloads(workload),
    ...describeEntries(parts, [...callers]),
    authority: {
      kind,
      slots: slots.map(pageSlot),
      jwtSlots: jwtSlots.map(pageSlot),
      ...given('fault', fault),
      ...given('jwtFault', jwtFault),
    },
    bundles: describeBundles(parts),
    sources: sourceStates(parts).map(({ name, file, loadedAt, fault: why }) => ({
      name,
      file,
      loadedAt,
      ...given('fault', why),
    })),
    nacks,
  }
}

function pageSlot({ authorityId, status, notBefore, notAfter, activatesAt }: Slot): PageSlot {
  return {
    authorityId,
    status,
    notBefore: instant(notBefore) ?? 0,
    notAfter: instant(notAfter) ?? NO_END,
    ...given('activatesAt', instant(activatesAt)),
  }
}

function pageSidecar(sidecar: SidecarMessage): PageSidecar {
  const { pid, uid, gid, nodeId, envoyVersion, spiffeIds } = sidecar
  return {
    id: sidecar.connectionId,
    pid,
    uid,
    gid,
    path: sidecar.executable,
    nodeId,
    cluster: sidecar.nodeCluster,
    envoyVersion,
    connectedAt: instant(sidecar.connectedAt) ?? 0,
    spiffeIds,
    secrets: sidecar.secrets.map(pageSecret),
  }
}

function pageSecret(held: HeldSecret): PageSecret {
  const { name, kind, state, variant, version, acknowledgedVersion, rejection, why } = held
  return {
    name,
    kind,
    state,
    variant,
    version,
    acknowledgedVersion,
    ...given('sentAt', instant(held.sentAt)),
    ...given('expiresAt', instant(held.expiresAt)),
    ...given('rejection', rejection),
    ...given('why', why),
  }
}

function describeBundles({ bundles, config, sources }: PageStateParts): PageState['bundles'] {
  const faults = new Map(sources.states().map(({ name, fault }) => [name, fault]))
  return [...bundles.feed.current.values()].map((bundle) => {
    const { trustDomain } = bundle
    const fault = faults.get(`bundle ${trustDomain}`) ?? ''
    return pageBundle(describeBundle(bundle, trustDomain === config.trustDomain, fault))
  })
}

function pageBundle({
  trustDomain,
  own,
  certificates,
  fault,
}: TrustBundle): PageState['bundles'][0] {
  return {
    trustDomain,
    own,
    certificates: certificates.map(({ subject, subjectKeyId, notAfter }) => ({
      subject,
      subjectKeyId,
      notAfter: instant(notAfter) ?? 0,
    })),
    ...given('fault', fault),
  }
}
