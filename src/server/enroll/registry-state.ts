/** The values of a registry and what is looked up in them; they change by differences that are applied as one. */
import { isDeepStrictEqual } from 'node:util'
import type { EntryId, ServerEntry } from '../../registration/server-entry.ts'
import { createServingIndex } from '../../registration/serving.ts'
import { Index } from '../../registration/set-index.ts'
import type { Concerned } from '../../registration/serving.ts'
import { serverSpiffeId } from '../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { AttestedAgent, StoredBundle } from '../../store/model.ts'
import type { Registry, RegistryChange } from './registry.ts'

/** What is there now of what has changed; undefined: it is gone. */
export interface Difference {
  readonly entries: Map<EntryId, ServerEntry | undefined>
  readonly agents: Map<SpiffeId, AttestedAgent | undefined>
  readonly bundles: Map<TrustDomain, StoredBundle | undefined>
}

export const noDifference = (): Difference => ({
  entries: new Map(),
  agents: new Map(),
  bundles: new Map(),
})

type Lookups = Pick<
  Registry,
  'entry' | 'entriesNamed' | 'entriesOf' | 'mayServe' | 'agent' | 'agents' | 'bundle' | 'nextExpiry'
>

export interface RegistryState extends Lookups {
  readonly counts: Registry['counts']
  /** Every key there is, for who has read all anew and looks for what is gone. */
  keys(): {
    readonly entries: Iterable<EntryId>
    readonly agents: Iterable<SpiffeId>
    readonly bundles: Iterable<TrustDomain>
  }
  apply(difference: Difference): Omit<RegistryChange, 'position'>
}

export function createRegistryState(trustDomain: TrustDomain): RegistryState {
  const serving = createServingIndex(serverSpiffeId(trustDomain))
  const entries = createNamedEntries()
  const agents = new Map<SpiffeId, AttestedAgent>()
  const bundles = new Map<TrustDomain, StoredBundle>()
  return {
    counts: {
      get entries() {
        return entries.byId.size
      },
      get agents() {
        return agents.size
      },
      get bundles() {
        return bundles.size
      },
    },
    entry: (id) => entries.byId.get(id),
    entriesNamed: entries.named,
    entriesOf: (agent) => serving.entriesOf(agent),
    mayServe: (agent, id) => serving.mayServe(agent, id),
    agent: (id) => agents.get(id),
    agents: () => agents.values(),
    bundle: (name) => bundles.get(name),
    nextExpiry: entries.nextExpiry,
    keys: () => ({ entries: entries.byId.keys(), agents: agents.keys(), bundles: bundles.keys() }),
    apply(difference) {
      const concerned = new Set<SpiffeId>()
      const concern = (some: Concerned): void => {
        for (const agent of some) concerned.add(agent)
      }
      const agentsChanged = put(agents, difference.agents, (id, agent) => {
        concern(
          agent === undefined ? serving.removeAgent(id) : serving.setAgent(id, agent.selectors),
        )
      })
      const entriesChanged = put(entries.byId, difference.entries, (id, entry, before) => {
        // The index takes these for the same; yet in another lineage a revision may be of something else.
        const alike = before?.revision === entry?.revision && before?.createdAt === entry?.createdAt
        if (alike || entry === undefined) concern(serving.removeEntry(id))
        if (entry !== undefined) concern(serving.setEntry(entry))
        entries.replace(before, entry)
      })
      const bundlesChanged = put(bundles, difference.bundles)
      return {
        entries: entriesChanged,
        serving: concerned,
        bundles: bundlesChanged,
        agents: agentsChanged,
      }
    },
  }
}

/** Sets, or deletes, what is not so already, and says what that was. @returns the keys of it */
function put<K, V>(
  map: Map<K, V>,
  values: ReadonlyMap<K, V | undefined>,
  changed?: (key: K, value: V | undefined, before: V | undefined) => void,
): ReadonlySet<K> {
  const keys = new Set<K>()
  for (const [key, value] of values) {
    const before = map.get(key)
    if (before === value || (value !== undefined && isDeepStrictEqual(before, value))) continue
    if (value === undefined) map.delete(key)
    else map.set(key, value)
    keys.add(key)
    changed?.(key, value, before)
  }
  return keys
}

/** Entries by id and by SPIFFE ID, and which of them expires first. */
function createNamedEntries() {
  const byId = new Map<EntryId, ServerEntry>()
  const byName = new Index<SpiffeId, ServerEntry>()
  const expiring = new Map<EntryId, number>()
  /** undefined: to be looked for. */
  let next: number | undefined = Infinity

  const forget = (entry: ServerEntry): void => {
    const { id, spiffeId } = entry
    byName.delete(spiffeId, entry)
    if (expiring.get(id) === next) next = undefined
    expiring.delete(id)
  }
  const keep = (entry: ServerEntry): void => {
    const { id, spiffeId, expiresAt } = entry
    byName.add(spiffeId, entry)
    if (expiresAt === undefined) return
    expiring.set(id, expiresAt)
    if (next !== undefined) next = Math.min(next, expiresAt)
  }
  return {
    byId,
    named: (spiffeId: SpiffeId): readonly ServerEntry[] => Array.from(byName.of(spiffeId)),
    /** Called for what `byId` has another value of. */
    replace(before: ServerEntry | undefined, entry: ServerEntry | undefined) {
      if (before !== undefined) forget(before)
      if (entry !== undefined) keep(entry)
    },
    nextExpiry(): number | undefined {
      if (next === undefined) {
        next = Infinity
        for (const at of expiring.values()) next = Math.min(next, at)
      }
      return next === Infinity ? undefined : next
    },
  }
}
