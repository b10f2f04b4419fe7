/** What a round says, from what an agent has and what it shall have: plain values, no clock, no wire. */
import type { EntryId, ServerEntry } from '../../registration/server-entry.ts'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { StoredBundle } from '../../store/model.ts'
import type { Registry } from '../enroll/registry.ts'

/** What an agent has, or shall have. What is the same object in two of them is the same. */
export interface Holding {
  /** Oldest first. */
  readonly entries: readonly ServerEntry[]
  readonly bundles: ReadonlyMap<TrustDomain, StoredBundle>
}

/** See `spindle.sync.v1.SyncResponse`. */
export interface Round {
  readonly full: boolean
  readonly entries: readonly ServerEntry[]
  readonly removedEntries: readonly EntryId[]
  readonly bundles: readonly StoredBundle[]
  readonly removedBundles: readonly TrustDomain[]
}

/**
 * What the registry has for an agent: its entries, the bundle of its own trust domain, and those that its entries federate with,
 * as far as there are such.
 * @param before what the agent has of its own trust domain, which is never taken from it
 */
export function holdingOf(
  registry: Pick<Registry, 'entriesOf' | 'bundle'>,
  agent: SpiffeId,
  own: { readonly trustDomain: TrustDomain; readonly before: StoredBundle | undefined },
): Holding {
  const entries = registry.entriesOf(agent)
  const bundles = new Map<TrustDomain, StoredBundle>()
  const ownBundle = registry.bundle(own.trustDomain) ?? own.before
  if (ownBundle !== undefined) bundles.set(own.trustDomain, ownBundle)
  for (const name of federated(entries)) {
    const bundle = registry.bundle(name)
    if (bundle !== undefined && name !== own.trustDomain) bundles.set(name, bundle)
  }
  return { entries, bundles }
}

/** Trust domains that entries federate with, each once. */
export function federated(entries: readonly ServerEntry[]): ReadonlySet<TrustDomain> {
  const names = new Set<TrustDomain>()
  for (const { federatesWith } of entries) for (const name of federatesWith) names.add(name)
  return names
}

export function fullRound({ entries, bundles }: Holding): Round {
  const all = Array.from(bundles.values())
  return { full: true, entries, removedEntries: [], bundles: all, removedBundles: [] }
}

/** undefined: there is nothing to say. */
export function roundBetween(has: Holding, shall: Holding): Round | undefined {
  const had = new Set(has.entries)
  const entries = shall.entries.filter((entry) => !had.delete(entry))
  const upserted = new Set(entries.map(({ id }) => id))
  const removedEntries = Array.from(had, ({ id }) => id).filter((id) => !upserted.has(id))
  const bundles = Array.from(shall.bundles.values()).filter(
    (bundle) => has.bundles.get(bundle.trustDomain) !== bundle,
  )
  const removedBundles = Array.from(has.bundles.keys()).filter((name) => !shall.bundles.has(name))
  const said = [entries, removedEntries, bundles, removedBundles]
  if (said.every(({ length }) => length === 0)) return undefined
  return { full: false, entries, removedEntries, bundles, removedBundles }
}
