/** Why a process has, or lacks, a secret: its selectors, the entries it matches, and the nearest it does not. */
import { create } from '@bufbuild/protobuf'
import type { ExplainResponse } from '#spindle/admin/v1/admin_pb.js'
import { ExplainResponseSchema } from '#spindle/admin/v1/admin_pb.js'
import type { Entry } from '../../registration/entry.ts'
import type { Registry } from '../../registration/match.ts'
import { defaultEntry, nearMisses } from '../../registration/match.ts'
import type { Identity } from '../obtain/identity.ts'
import type { NamePolicy } from '../../xds/names.ts'
import { meaningOf, namesOf } from '../../xds/names.ts'
import type { Connection, Peer } from '../accept/connection.ts'
import type { Attestation, Attestor } from '../attest/attestor.ts'
import { describeHeld, timestamp } from './describe.ts'
import type { Sds } from './sds.ts'

export interface ExplainParts {
  readonly attestor: Attestor
  readonly registry: Registry
  readonly policy: NamePolicy
  readonly sds: Sds
  /** Holds on to a process before anything is read about it. */
  readonly open: (pid: number) => { readonly peer: Peer; alive(): boolean; release(): void }
  /** What is held for an entry just now, whoever uses it. */
  readonly identityOf: (entry: Entry) => {
    readonly current: Identity | undefined
    readonly fault: string | undefined
  }
}

const NEAREST = 5

/** @throws SpindleError `not_found` when there is no such process */
export async function explain(
  parts: ExplainParts,
  { pid, name }: { readonly pid: number; readonly name: string },
): Promise<ExplainResponse> {
  const process = parts.open(pid)
  try {
    const { registry } = parts
    const attestation = await parts.attestor.attest(asConnection(process), registry.kinds)
    const { entries } = registry.match(attestation)
    const fallback = defaultEntry(entries)
    return create(ExplainResponseSchema, {
      pid,
      uid: process.peer.uid,
      gid: process.peer.gid,
      executable: attestation.process.exe ?? '',
      selectors: [...attestation.selectors].toSorted(),
      unknownKinds: [...attestation.unknownKinds].toSorted(),
      notes: [...attestation.notes],
      entries: entries.map((entry) =>
        matched(parts, entry, { entries, isDefault: entry === fallback }),
      ),
      near: nearMisses(registry, attestation, NEAREST).map(({ entry, missing }) => ({
        spiffeId: entry.spiffeId,
        missingSelectors: [...missing],
      })),
      ...nameOf(parts, name, { entries, attestation }),
      secrets: [...parts.sds.streams]
        .filter((stream) => isSame(stream.sidecar.caller.connection.peer, process.peer))
        .flatMap(describeHeld),
    })
  } finally {
    process.release()
  }
}

const isSame = (one: Peer, other: Peer): boolean =>
  one.pid === other.pid && one.startTime === other.startTime

function matched(
  parts: ExplainParts,
  entry: Entry,
  { entries, isDefault }: { readonly entries: readonly Entry[]; readonly isDefault: boolean },
) {
  const { policy } = parts
  const granted = { entries, defaultEntry: defaultEntry(entries) }
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
  const { current, fault } = parts.identityOf(entry)
  const expiresAt = timestamp(current?.svid.notAfter)
  const renewAt = timestamp(current?.renewAt)
  return {
    spiffeId: entry.spiffeId,
    default: isDefault,
    hint: entry.hint,
    names: [...names],
    ...(expiresAt && { expiresAt }),
    ...(renewAt && { renewAt }),
    fault: fault ?? '',
  }
}

function nameOf(
  parts: ExplainParts,
  name: string,
  {
    entries,
    attestation,
  }: { readonly entries: readonly Entry[]; readonly attestation: Attestation },
): { readonly nameState: string; readonly nameWhy: string } {
  if (name === '') return { nameState: '', nameWhy: '' }
  const meaning = meaningOf(name, parts.policy, { entries, defaultEntry: defaultEntry(entries) })
  switch (meaning.kind) {
    case 'none': {
      const undecided = parts.registry.match(attestation).undecided.length > 0
      if (!undecided) return { nameState: 'absent', nameWhy: meaning.why }
      return {
        nameState: 'pending',
        nameWhy: 'selectors of the process could not be looked up just now',
      }
    }
    case 'svid': {
      const { current, fault } = parts.identityOf(meaning.entry)
      if (fault !== undefined && current === undefined)
        return { nameState: 'pending', nameWhy: fault }
      return { nameState: 'present', nameWhy: `the X.509-SVID of ${meaning.entry.spiffeId}` }
    }
    case 'bundle':
      return { nameState: 'present', nameWhy: `the bundle of ${meaning.trustDomain}` }
    case 'all-bundles':
      return { nameState: 'present', nameWhy: `the bundles of ${meaning.trustDomains.join(', ')}` }
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
