/** What the agent has of the registry, and what a round of the server makes of it: values in, values out. */
import type { SyncResponse } from '../../../../gen/spindle/sync/v1/sync_pb.js'
import type { Bundle as BundleMessage } from '../../../../gen/spire/api/types/bundle_pb.js'
import type { Entry as EntryMessage } from '../../../../gen/spire/api/types/entry_pb.js'
import type { ServerEntry } from '../../../../registration/server-entry.ts'
import { SpindleError, messageOf } from '../../../../runtime/errors.ts'
import { shownText } from '../../../../runtime/shown-text.ts'
import { isWorkloadId, trustDomainOf } from '../../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../../spiffe/spiffe-id.ts'
import { readEntry } from '../../../../wire/spire/entry.ts'
import type { Served, ServedBundle } from '../link.ts'
import { readServedBundle } from './read-bundle.ts'

/** By the names the server has for them. `undefined`: it is there and cannot be used; the server counts it all the same. */
export interface Held {
  readonly entries: ReadonlyMap<string, ServerEntry | undefined>
  readonly bundles: ReadonlyMap<string, ServedBundle | undefined>
}

export const NOTHING: Held = { entries: new Map(), bundles: new Map() }

/** What a server said, of whatever protocol. */
export interface Said {
  /** What it does not name is gone. */
  readonly full: boolean
  readonly entries: readonly EntryMessage[]
  readonly removedEntries: readonly string[]
  readonly bundles: readonly BundleMessage[]
  readonly removedBundles: readonly string[]
}

export interface Applied {
  readonly held: Held
  /** What was skipped, and why: a line each, and not many. */
  readonly faults: readonly string[]
}

/** Memory is not without end; a registry of this size has no place on one node. */
const MOST_ENTRIES = 200_000
const MOST_FAULTS = 20

/** @throws SpindleError `authority_unavailable` where a round is more than an agent can take */
export function apply(before: Held, said: Said, trustDomain: TrustDomain): Applied {
  const faults: string[] = []
  const skip = (what: string, name: string, thrown: unknown): undefined => {
    if (faults.length < MOST_FAULTS)
      faults.push(`${what} ${shownText(name, 80)}: ${shownText(messageOf(thrown), 300)}`)
    return undefined
  }
  const entries = new Map(said.full ? [] : before.entries)
  for (const id of said.removedEntries) entries.delete(id)
  for (const message of said.entries) {
    const entry = attempt(
      () => checkedEntry(message, trustDomain),
      (thrown) => skip('entry', message.id, thrown),
    )
    entries.set(message.id, same(before.entries.get(message.id), entry))
  }
  if (entries.size > MOST_ENTRIES)
    throw new SpindleError(
      'authority_unavailable',
      `the server has more than ${MOST_ENTRIES} entries for this agent`,
    )
  const bundles = new Map(said.full ? [] : before.bundles)
  for (const name of said.removedBundles) bundles.delete(name)
  for (const message of said.bundles) {
    const name = message.trustDomain
    const read = attempt(
      () => readServedBundle(message),
      (thrown) => skip('bundle', name, thrown),
    )
    for (const line of read?.ignored ?? []) skip('bundle', name, line)
    bundles.set(name, same(before.bundles.get(name), read?.served))
  }
  return { held: { entries, bundles }, faults }
}

/** The parts of a round as one. */
export function wholeRound(parts: readonly SyncResponse[]): Said {
  return {
    full: parts.some(({ full }) => full),
    entries: parts.flatMap(({ entries }) => entries),
    removedEntries: parts.flatMap(({ removedEntries }) => removedEntries),
    bundles: parts.flatMap(({ bundles }) => bundles),
    removedBundles: parts.flatMap(({ removedBundles }) => removedBundles),
  }
}

/** `before`, where it says the same: so that what did not change is the same object. undefined: there is no own bundle to serve by. */
export function servedOf(
  { entries, bundles }: Held,
  trustDomain: TrustDomain,
  before: Served | undefined,
): Served | undefined {
  const next: Served = {
    entries: Array.from(entries.values())
      .filter((entry) => entry !== undefined)
      .sort(oldestFirst),
    bundles: new Map(
      Array.from(bundles.values())
        .filter((served) => served !== undefined)
        .map((served) => [served.bundle.trustDomain, served]),
    ),
  }
  const own = next.bundles.get(trustDomain)
  if (own === undefined || own.bundle.x509Authorities.length === 0) return undefined
  return before !== undefined && isSame(before, next) ? before : next
}

/** What a process before this one had. */
export function heldOf(served: Served | undefined): Held {
  if (served === undefined) return NOTHING
  return {
    entries: new Map(served.entries.map((entry) => [entry.id, entry])),
    bundles: new Map(Array.from(served.bundles)),
  }
}

function checkedEntry(message: EntryMessage, trustDomain: TrustDomain): ServerEntry {
  const entry = readEntry(message)
  if (trustDomainOf(entry.spiffeId) !== trustDomain || !isWorkloadId(entry.spiffeId))
    throw new SpindleError('request_invalid', `spiffe_id: it is no workload of ${trustDomain}`)
  return entry
}

function attempt<T>(read: () => T, failed: (thrown: unknown) => undefined): T | undefined {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof SpindleError) return failed(thrown)
    throw thrown
  }
}

function same<T>(before: T, next: T): T {
  return textOf(before) === textOf(next) ? before : next
}

function isSame(one: Served, other: Served): boolean {
  return (
    one.entries.length === other.entries.length &&
    one.bundles.size === other.bundles.size &&
    one.entries.every((entry, at) => entry === other.entries[at]) &&
    Array.from(one.bundles).every(([name, served]) => served === other.bundles.get(name))
  )
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return each.toString()
    return each instanceof Uint8Array ? Buffer.from(each).toString('base64') : each
  })
}

function oldestFirst(a: ServerEntry, b: ServerEntry): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)
}
