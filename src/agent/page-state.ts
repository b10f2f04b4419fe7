/** The state of the agent as the status page is told it. */
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import type { X509Authority } from '../authority/authority.ts'
import type { JwtAuthority } from '../authority/jwt/jwt-authority.ts'
import type { AgentConfig } from '../config/agent-config.ts'
import type {
  HeldSecret,
  Sidecar as SidecarMessage,
  Slot,
  TrustBundle,
} from '#spindle/admin/v1/admin_pb.js'
import type { PageEntry, PageSecret, PageSidecar, PageSlot, PageState } from '../http/page-state.ts'
import type { PeerHandle } from '../os/peer-credentials.ts'
import type { Entry } from '../registration/entry.ts'
import { nearCallers } from '../registration/near-callers.ts'
import type { NearCaller } from '../registration/near-callers.ts'
import type { Clock } from '../runtime/clock.ts'
import { nextTurn } from '../runtime/slices.ts'
import type { Bundles } from './obtain/bundles.ts'
import type { Identities } from './obtain/identities.ts'
import { describeAuthority, describeBundle, describeSidecar } from './serve/describe.ts'
import type { Sds } from './serve/sds.ts'
import type { Sidecar } from './serve/sidecar.ts'
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
const USERS_TOLD = 100
const ENTRIES_TOLD = 5_000

export async function describePage(parts: PageStateParts): Promise<PageState> {
  const { config, sds, clock, authority, jwtAuthority, startedAt } = parts
  const at = clock.now()
  const nacks = await parts.nacks()
  const streamsOf = Map.groupBy(sds.streams, (stream) => stream.sidecar)
  const sidecars: PageSidecar[] = []
  for (const [sidecar, streams] of streamsOf) {
    sidecars.push(pageSidecar(describeSidecar(sidecar, streams)))
    if (sidecars.length % SIDECARS_A_TURN === 0) await nextTurn()
  }
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
      peerCredentials: parts.handle,
    },
    sidecars,
    ...describeEntries(parts, [...streamsOf.keys()]),
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

const instant = (at: Timestamp | undefined): number | undefined =>
  at === undefined ? undefined : timestampMs(at)

/** A key that is left out where there is nothing to say. */
function given<K extends string, V extends string | number>(
  key: K,
  value: V | undefined,
): { readonly [k in K]?: V } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { readonly [k in K]: V })
}

function pageSlot({ authorityId, status, notBefore, notAfter, activatesAt }: Slot): PageSlot {
  return {
    authorityId,
    status,
    notBefore: instant(notBefore) ?? 0,
    notAfter: instant(notAfter) ?? 0,
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

function describeEntries(
  { identities, sources }: PageStateParts,
  sidecars: readonly Sidecar[],
): Pick<PageState, 'entries' | 'entryCount' | 'nearComplete'> {
  const registry = sources.entries.content.current
  const users = Map.groupBy(
    sidecars.flatMap((sidecar) =>
      sidecar.caller.state.current.match.entries.map(({ id }) => ({ id, sidecar })),
    ),
    ({ id }) => id,
  )
  const known = sidecars.flatMap((sidecar) => {
    const { attestation } = sidecar.caller.state.current
    return attestation === undefined ? [] : [[sidecar, attestation] as const]
  })
  // Who has an entry hardly waits for another one, unless nobody has that.
  const all = nearCallers(registry, known)
  const without = nearCallers(
    registry,
    known.filter(([{ caller }]) => caller.state.current.match.entries.length === 0),
  )
  return {
    entryCount: registry.entries.length,
    entries: registry.entries.slice(0, ENTRIES_TOLD).map((entry) =>
      describeEntry(entry, {
        near:
          without.byEntry.get(entry.id) ?? (users.has(entry.id) ? [] : all.byEntry.get(entry.id)),
        users: users.get(entry.id)?.map(({ sidecar }) => sidecar) ?? [],
        held: identities.find(entry.id),
      }),
    ),
    nearComplete: all.complete && without.complete,
  }
}

interface AboutEntry {
  readonly users: readonly Sidecar[]
  readonly near: readonly NearCaller<Sidecar>[] | undefined
  readonly held: ReturnType<Identities['find']>
}

function describeEntry(entry: Entry, { users, near, held }: AboutEntry): PageEntry {
  const { id, spiffeId, selectors, hint, federatesWith } = entry
  return {
    id,
    spiffeId,
    selectors,
    hint,
    default: entry.default,
    federatesWith,
    ...given('issuedAt', held?.current?.svid.issuedAt),
    ...given('renewsAt', held?.current?.renewAt),
    ...given('expiresAt', held?.current?.svid.notAfter),
    ...given('fault', held?.fault),
    usedBy: users.slice(0, USERS_TOLD).map(idOf),
    users: users.length,
    near: (near ?? []).map(({ caller, missing }) => ({
      sidecar: idOf(caller),
      missing,
    })),
  }
}

const idOf = (sidecar: Sidecar): string => sidecar.caller.connection.id

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
