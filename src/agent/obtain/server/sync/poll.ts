/** What a SPIRE server has for this agent, asked for as SPIRE's agents do. */
import { Agent } from '../../../../gen/spire/api/server/agent/v1/agent_pb.js'
import { Bundle } from '../../../../gen/spire/api/server/bundle/v1/bundle_pb.js'
import { Entry } from '../../../../gen/spire/api/server/entry/v1/entry_pb.js'
import type {
  EntryRevision,
  SyncAuthorizedEntriesResponse,
} from '../../../../gen/spire/api/server/entry/v1/entry_pb.js'
import type { Bundle as BundleMessage } from '../../../../gen/spire/api/types/bundle_pb.js'
import type { Entry as EntryMessage } from '../../../../gen/spire/api/types/entry_pb.js'
import { SpindleError } from '../../../../runtime/errors.ts'
import { status } from '../../../../runtime/grpc-status.ts'
import type { TrustDomain } from '../../../../spiffe/spiffe-id.ts'
import { CallFault } from '../../../../wire/call-fault.ts'
import type { SecureClient } from '../../../../wire/secure-client.ts'
import { CALL_MS } from '../calls.ts'
import { isUnimplemented } from '../denial.ts'
import { apply } from './round.ts'
import type { Applied, Held, Said } from './round.ts'

/** Of the entries asked for in one request, and of bundles at a time. */
const PAGE = 500
const BUNDLES_AT_A_TIME = 8

/** One look at everything. @throws CallFault */
export async function poll(
  client: SecureClient,
  before: Held,
  trustDomain: TrustDomain,
): Promise<Applied & { readonly sequence: bigint }> {
  const asked = await entriesOf(client, before)
  const entries = apply(before, { ...NO_CHANGE, ...asked }, trustDomain)
  const own = await client.call(Bundle.method.getBundle, {}, { deadlineMs: CALL_MS })
  const bundles = [own, ...(await federated(client, entries.held, trustDomain))]
  const names = new Set(bundles.map((bundle) => bundle.trustDomain))
  const removedBundles = Array.from(before.bundles.keys()).filter((name) => !names.has(name))
  const all = apply(entries.held, { ...NO_CHANGE, bundles, removedBundles }, trustDomain)
  return {
    held: all.held,
    faults: [...entries.faults, ...all.faults],
    sequence: own.sequenceNumber,
  }
}

/** For people that list agents; servers before 1.12 do not know it, and nothing depends on it. */
export async function postStatus(
  client: SecureClient,
  said: { readonly currentBundleSerial: bigint; readonly agentVersion: string },
): Promise<void> {
  await client.call(Agent.method.postStatus, said, { deadlineMs: CALL_MS })
}

const NO_CHANGE: Said = {
  full: false,
  entries: [],
  removedEntries: [],
  bundles: [],
  removedBundles: [],
}

type EntriesSaid = Pick<Said, 'entries' | 'removedEntries'>

async function entriesOf(client: SecureClient, before: Held): Promise<EntriesSaid> {
  try {
    return await changedEntries(client, before)
  } catch (thrown) {
    if (!isUnimplemented(thrown)) throw thrown
    const { getAuthorizedEntries } = Entry.method
    const { entries } = await client.call(getAuthorizedEntries, {}, { deadlineMs: CALL_MS })
    return allOf(before, entries)
  }
}

function allOf(before: Held, entries: readonly EntryMessage[]): EntriesSaid {
  const ids = new Set(entries.map(({ id }) => id))
  return { entries, removedEntries: Array.from(before.entries.keys()).filter((id) => !ids.has(id)) }
}

/** A few come at once; of many the server says the revisions, and those that are new here are asked for. */
async function changedEntries(client: SecureClient, before: Held): Promise<EntriesSaid> {
  const call = client.bidi(Entry.method.syncAuthorizedEntries, { deadlineMs: CALL_MS })
  const answers = call.messages[Symbol.asyncIterator]()
  try {
    call.send({})
    const first = await pages(answers)
    const revisions = first.flatMap(({ entryRevisions }) => entryRevisions)
    if (revisions.length === 0)
      return allOf(
        before,
        first.flatMap(({ entries }) => entries),
      )
    const wanted = revisions.filter((revision) => isNew(before, revision)).map(({ id }) => id)
    const entries: EntryMessage[] = []
    for (let at = 0; at < wanted.length; at += PAGE) {
      call.send({ ids: wanted.slice(at, at + PAGE) })
      entries.push(...(await pages(answers)).flatMap((page) => page.entries))
    }
    call.end()
    const there = new Set(revisions.map(({ id }) => id))
    // Deleted since: it is among neither the entries nor, next time, the revisions.
    const sent = new Set(entries.map(({ id }) => id))
    for (const id of wanted) if (!sent.has(id)) there.delete(id)
    return {
      entries,
      removedEntries: Array.from(before.entries.keys()).filter((id) => !there.has(id)),
    }
  } finally {
    call.cancel()
  }
}

async function pages(
  answers: AsyncIterator<SyncAuthorizedEntriesResponse>,
): Promise<readonly SyncAuthorizedEntriesResponse[]> {
  const found: SyncAuthorizedEntriesResponse[] = []
  for (;;) {
    const { value, done } = await answers.next()
    if (done === true)
      throw new SpindleError('authority_unavailable', 'the server ended the answer in its middle')
    found.push(value)
    if (!value.more) return found
  }
}

function isNew({ entries }: Held, { id, revisionNumber, createdAt }: EntryRevision): boolean {
  const entry = entries.get(id)
  // An entry that was made anew under the same id begins to count again.
  return (
    entry === undefined ||
    BigInt(entry.revision) !== revisionNumber ||
    BigInt(Math.floor(entry.createdAt / 1_000)) !== createdAt
  )
}

async function federated(
  client: SecureClient,
  { entries }: Held,
  own: TrustDomain,
): Promise<readonly BundleMessage[]> {
  const names = new Set(Array.from(entries.values()).flatMap((entry) => entry?.federatesWith ?? []))
  names.delete(own)
  const wanted = Array.from(names)
  const found: BundleMessage[] = []
  for (let at = 0; at < wanted.length; at += BUNDLES_AT_A_TIME) {
    const group = wanted.slice(at, at + BUNDLES_AT_A_TIME)
    const bundles = await Promise.all(group.map((name) => federatedBundle(client, name)))
    found.push(...bundles.filter((bundle) => bundle !== undefined))
  }
  return found
}

async function federatedBundle(
  client: SecureClient,
  trustDomain: TrustDomain,
): Promise<BundleMessage | undefined> {
  const { getFederatedBundle } = Bundle.method
  try {
    return await client.call(getFederatedBundle, { trustDomain }, { deadlineMs: CALL_MS })
  } catch (thrown) {
    if (thrown instanceof CallFault && thrown.answered && thrown.status === status.NOT_FOUND)
      return undefined
    throw thrown
  }
}
