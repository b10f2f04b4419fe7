/** Why a process has, or lacks, a secret: its selectors, the entries it matches, and the nearest it does not. */
import { create } from '@bufbuild/protobuf'
import type { ExplainResponse } from '#spindle/admin/v1/admin_pb.js'
import { ExplainResponseSchema } from '#spindle/admin/v1/admin_pb.js'
import type { Entry } from '../../../registration/entry.ts'
import { Granted } from '../../../registration/granted.ts'
import type { Match, NearMiss, Registry } from '../../../registration/match.ts'
import { createRegistry, nearMisses } from '../../../registration/match.ts'
import { selectorKind } from '../../../registration/selector.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Meaning, NamePolicy } from '../../../xds/names.ts'
import { meaningOf, namesOf, settledMeaning } from '../../../xds/names.ts'
import type { Connection, Peer } from '../../accept/connection.ts'
import type { Attestation, Attestor } from '../../attest/attestor.ts'
import type { IdentityReading } from '../../obtain/identities.ts'
import { at, describeHeld, shownPath } from '../describe.ts'
import type { Grants } from '../grant/grants.ts'
import type { Sds } from '../sds.ts'
import type { Workload } from '../workload/service.ts'
import { describeUses } from './workloads.ts'

export interface ExplainParts {
  readonly attestor: Attestor
  /** undefined: the entries are not there yet. */
  readonly registry: Registry | undefined
  readonly policy: NamePolicy
  readonly sds: Sds
  readonly workload: Pick<Workload, 'uses'>
  /** Of callers that asked for anything. */
  readonly grants: Pick<Grants, 'all'>
  readonly clock: Clock
  /** Those that are open to the agent's socket. */
  readonly connections: () => Iterable<Connection>
  /** Why there is no secret for a bundle's name just now; undefined where there is one. */
  readonly bundleFault: (name: string, meaning: BundleMeaning) => string | undefined
  /** Holds on to a process before anything is read about it. */
  readonly open: (pid: number) => { readonly peer: Peer; alive(): boolean; release(): void }
  /** What is held for an entry just now, whoever uses it; undefined where nobody does. */
  readonly identityOf: (entry: Entry) => IdentityReading | undefined
}

type BundleMeaning = Extract<Meaning, { kind: 'bundle' | 'all-bundles' }>

const NEAREST = 5
const NOT_THERE = 'the entries have not come from the server yet'

/** @throws SpindleError `not_found` when there is no such process */
export async function explain(
  parts: ExplainParts,
  { pid, name }: { readonly pid: number; readonly name: string },
): Promise<ExplainResponse> {
  const process = parts.open(pid)
  try {
    const { policy, registry = createRegistry([]) } = parts
    const attestation = await parts.attestor.attest(asConnection(process), registry.kinds)
    const match = registry.match(attestation)
    const { entries } = match
    return create(ExplainResponseSchema, {
      pid,
      uid: process.peer.uid,
      gid: process.peer.gid,
      executable: shownPath(attestation.process.exe),
      selectors: [...attestation.selectors].toSorted(),
      unknownKinds: [...attestation.unknownKinds].toSorted(),
      notes: attestation.notes.map(shownPath),
      entries: entries.map((entry) => matched(parts, entry, entries)),
      near: nearest({ registry, policy }, attestation, name),
      ...nameOf(parts, name, match),
      bundleNames: bundleNames(policy, entries),
      ...connectionsOf(parts, process.peer, match),
      ...at('explainedAt', parts.clock.now()),
    })
  } finally {
    process.release()
  }
}

const isSame = (one: Peer, other: Peer): boolean =>
  one.pid === other.pid && one.startTime === other.startTime

function matched(parts: ExplainParts, entry: Entry, entries: readonly Entry[]) {
  const { policy } = parts
  const granted = new Granted(entries)
  const candidates = [
    policy.reserved.svid,
    ...policy.aliases.keys(),
    entry.hint,
    ...namesOf(policy, granted),
  ]
  const names = new Set(
    candidates.filter((candidate) => {
      const meaning = candidate === '' ? undefined : meaningOf(candidate, policy, granted)
      return meaning?.kind === 'svid' && meaning.entry === entry
    }),
  )
  const identity = parts.identityOf(entry)
  return {
    spiffeId: entry.spiffeId,
    default: entry === granted.defaultEntry,
    hint: entry.hint,
    names: [...names],
    ...at('expiresAt', identity?.current?.svid.notAfter),
    ...at('renewAt', identity?.current?.renewAt),
    fault: identity?.fault ?? '',
    ...at('retryAt', identity?.retryAt),
  }
}

/** The entries it lacks, nearest first; before all others those that would grant the name that was asked for. */
function nearest(
  { registry, policy }: { readonly registry: Registry; readonly policy: NamePolicy },
  attestation: Attestation,
  name: string,
) {
  const grants = ({ entry }: NearMiss): boolean =>
    name !== '' && meaningOf(name, policy, new Granted([entry])).kind !== 'none'
  const all = nearMisses(registry, attestation, registry.entries.length)
  const { true: granting = [], false: others = [] } = Object.groupBy(all, (miss) =>
    grants(miss) ? 'true' : 'false',
  )
  return [...granting, ...others].slice(0, NEAREST).map((miss) => ({
    spiffeId: miss.entry.spiffeId,
    missingSelectors: [...miss.missing],
    missing: miss.missing.map((selector) => {
      const kind = selectorKind(selector)
      return {
        selector,
        has: [...attestation.selectors].filter((held) => selectorKind(held) === kind).toSorted(),
        unknown: attestation.unknownKinds.has(kind),
      }
    }),
    grantsName: grants(miss),
  }))
}

function nameOf(
  parts: ExplainParts,
  name: string,
  { entries, undecided, possible }: Match,
): { readonly nameState: string; readonly nameWhy: string } {
  if (name === '') return { nameState: '', nameWhy: '' }
  if (parts.registry === undefined) return { nameState: 'pending', nameWhy: NOT_THERE }
  const granted = new Granted(entries)
  const meaning = settledMeaning(name, parts.policy, { granted, possible: new Granted(possible) })
  if (meaning === undefined || (meaning.kind === 'none' && undecided.length > 0))
    return {
      nameState: 'pending',
      nameWhy: 'selectors of the process could not be looked up just now',
    }
  switch (meaning.kind) {
    case 'none':
      return { nameState: 'absent', nameWhy: meaning.why }
    case 'svid': {
      const identity = parts.identityOf(meaning.entry)
      if (identity !== undefined && identity.current === undefined)
        return { nameState: 'pending', nameWhy: identity.fault ?? 'its X.509-SVID is being issued' }
      return { nameState: 'present', nameWhy: `the X.509-SVID of ${meaning.entry.spiffeId}` }
    }
    case 'bundle':
    case 'all-bundles': {
      const fault = parts.bundleFault(name, meaning)
      if (fault !== undefined) return { nameState: 'pending', nameWhy: fault }
      const what =
        meaning.kind === 'bundle'
          ? `the bundle of ${meaning.trustDomain}`
          : `the bundles of ${meaning.trustDomains.join(', ')}`
      return { nameState: 'present', nameWhy: what }
    }
  }
}

function bundleNames(policy: NamePolicy, entries: readonly Entry[]): string[] {
  const granted = new Granted(entries)
  const { bundle, allBundles } = policy.reserved
  return [bundle, allBundles, ...policy.aliases.keys(), ...namesOf(policy, granted)].filter(
    (name) => {
      const { kind } = meaningOf(name, policy, granted)
      return kind === 'bundle' || kind === 'all-bundles'
    },
  )
}

function connectionsOf(parts: ExplainParts, peer: Peer, { undecided }: Match) {
  const own = [...parts.connections()].filter((connection) => isSame(connection.peer, peer))
  const streams = [...parts.sds.streams].filter((stream) =>
    isSame(stream.sidecar.caller.connection.peer, peer),
  )
  const states = [...parts.grants.all.keys()]
    .filter(({ connection }) => isSame(connection.peer, peer))
    .map(({ state }) => state.current)
  const waiting = states.find((state) => state.undecided !== undefined)
  return {
    secrets: streams.flatMap(describeHeld),
    workloadUses: [...parts.workload.uses].flatMap(([{ connection }, uses]) =>
      isSame(connection.peer, peer) ? describeUses(uses) : [],
    ),
    connections: own.map(({ id, since }) => {
      const mine = streams.filter((stream) => stream.sidecar.caller.connection.id === id)
      const node = mine.map((stream) => stream.node).find((each) => each.id !== '')
      return {
        id,
        ...at('connectedAt', since),
        streams: mine.length,
        nodeId: node?.id ?? '',
        envoyVersion: node?.envoyVersion ?? '',
      }
    }),
    undecided:
      waiting?.undecided ??
      (parts.registry === undefined ? NOT_THERE : undefined) ??
      (undecided.length > 0 ? 'selectors of the process could not be looked up just now' : ''),
    ...at('attestedAgainAt', waiting?.retryAt),
  }
}

/** A process that did not connect, as attestors see a caller. */
function asConnection(process: { readonly peer: Peer; alive(): boolean }): Connection {
  return {
    id: `explain:${process.peer.pid}`,
    peer: process.peer,
    since: 0,
    closed: false,
    alive: () => process.alive(),
    onClose: () => undefined,
    destroy: () => undefined,
  }
}
