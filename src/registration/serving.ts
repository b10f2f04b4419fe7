import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import type { Selector } from './selector.ts'
import type { EntryId, ServerEntry } from './server-entry.ts'
import { Index } from './set-index.ts'

/** Agents whose entries a change has, or may have, changed. */
export type Concerned = ReadonlySet<SpiffeId>

/**
 * Which agents may serve which entries, kept up to date change by change. An agent may serve the entries whose parent it is,
 * those whose parent is one of its aliases, and, on and on, those whose parent is an entry that it may serve. An alias of an
 * agent is the SPIFFE ID of an entry whose parent is the server and whose selectors the agent has all of; that entry itself
 * is served by nobody (SPIRE's rule).
 *
 * A change costs with the agents it concerns, whatever the number of agents and entries.
 */
export interface ServingIndex {
  setEntry(entry: ServerEntry): Concerned
  removeEntry(id: EntryId): Concerned
  setAgent(id: SpiffeId, selectors: readonly Selector[]): Concerned
  removeAgent(id: SpiffeId): Concerned
  /** Oldest first. An agent that was not set has no selectors, and thus no aliases. */
  entriesOf(agent: SpiffeId): readonly ServerEntry[]
  mayServe(agent: SpiffeId, id: EntryId): boolean
  /** Of those that were set. */
  agentsOf(id: EntryId): Concerned
}

const nobody = (): Concerned => new Set()

/** @param server the SPIFFE ID whose children are aliases */
export function createServingIndex(server: SpiffeId): ServingIndex {
  const entries = new Map<EntryId, ServerEntry>()
  const children = new Index<SpiffeId, ServerEntry>()
  const named = new Index<SpiffeId, ServerEntry>()
  const aliases = createAliases()
  const isAlias = (entry: ServerEntry): boolean => entry.parentId === server

  /** Agents from which parents lead to `id`. */
  const reaching = (id: SpiffeId): Concerned => {
    const agents = new Set<SpiffeId>()
    for (const above of ancestors(id)) {
      if (aliases.isAgent(above)) agents.add(above)
      for (const agent of aliases.agentsNamed(above)) agents.add(agent)
    }
    return agents
  }

  function* ancestors(id: SpiffeId): Iterable<SpiffeId> {
    const seen = new Set([id])
    for (const one of seen) {
      yield one
      for (const { parentId } of named.of(one)) seen.add(parentId)
    }
  }

  const concernedBy = (entry: ServerEntry): Concerned => {
    if (!isAlias(entry)) return reaching(entry.parentId)
    // Nobody has anything of an alias without children.
    return children.has(entry.spiffeId) ? aliases.agentsOf(entry.id) : nobody()
  }

  const forget = (entry: ServerEntry): void => {
    entries.delete(entry.id)
    if (isAlias(entry)) return aliases.removeAlias(entry.id)
    children.delete(entry.parentId, entry)
    named.delete(entry.spiffeId, entry)
  }

  return {
    setEntry(entry) {
      const before = entries.get(entry.id)
      if (before?.revision === entry.revision && before.createdAt === entry.createdAt)
        return nobody()
      const concerned = new Set(before === undefined ? [] : concernedBy(before))
      if (before !== undefined) forget(before)
      entries.set(entry.id, entry)
      if (isAlias(entry)) aliases.setAlias(entry)
      else {
        children.add(entry.parentId, entry)
        named.add(entry.spiffeId, entry)
      }
      for (const agent of concernedBy(entry)) concerned.add(agent)
      return concerned
    },
    removeEntry(id) {
      const entry = entries.get(id)
      if (entry === undefined) return nobody()
      const concerned = new Set(concernedBy(entry))
      forget(entry)
      return concerned
    },
    setAgent: (id, selectors) =>
      aliases.setAgent(id, new Set(selectors)) ? new Set([id]) : nobody(),
    removeAgent: (id) => (aliases.removeAgent(id) ? new Set([id]) : nobody()),
    entriesOf(agent) {
      const found = new Set<ServerEntry>()
      const parents = new Set([agent, ...aliases.namesOf(agent)])
      for (const parent of parents)
        for (const entry of children.of(parent)) {
          found.add(entry)
          parents.add(entry.spiffeId)
        }
      return Array.from(found).sort(oldestFirst)
    },
    mayServe(agent, id) {
      const entry = entries.get(id)
      if (entry === undefined || isAlias(entry)) return false
      const names = new Set([agent, ...aliases.namesOf(agent)])
      for (const above of ancestors(entry.parentId)) if (names.has(above)) return true
      return false
    },
    agentsOf(id) {
      const entry = entries.get(id)
      return entry === undefined || isAlias(entry) ? nobody() : reaching(entry.parentId)
    },
  }
}

interface Aliases {
  setAlias(entry: ServerEntry): void
  removeAlias(id: EntryId): void
  /** @returns whether that is new */
  setAgent(id: SpiffeId, selectors: ReadonlySet<Selector>): boolean
  removeAgent(id: SpiffeId): boolean
  isAgent(id: SpiffeId): boolean
  /** SPIFFE IDs. */
  namesOf(agent: SpiffeId): Iterable<SpiffeId>
  agentsNamed(alias: SpiffeId): Iterable<SpiffeId>
  agentsOf(alias: EntryId): Concerned
}

/** Who has which alias; each is looked for under its selector that fewest others have. */
function createAliases(): Aliases {
  const agents = new Map<SpiffeId, ReadonlySet<Selector>>()
  const bySelector = new Index<Selector, SpiffeId>()
  const aliases = new Map<EntryId, { readonly entry: ServerEntry; readonly filedUnder: Selector }>()
  const filed = new Index<Selector, ServerEntry>()
  const named = new Index<SpiffeId, ServerEntry>()
  const aliasesOf = new Index<SpiffeId, ServerEntry>()
  const agentsOf = new Index<EntryId, SpiffeId>()

  const join = (agent: SpiffeId, alias: ServerEntry): void => {
    aliasesOf.add(agent, alias)
    agentsOf.add(alias.id, agent)
  }
  const part = (agent: SpiffeId, alias: ServerEntry): void => {
    aliasesOf.delete(agent, alias)
    agentsOf.delete(alias.id, agent)
  }
  const forgetAgent = (id: SpiffeId): void => {
    for (const selector of agents.get(id) ?? []) bySelector.delete(selector, id)
    for (const alias of Array.from(aliasesOf.of(id))) part(id, alias)
    agents.delete(id)
  }
  const has = (held: ReadonlySet<Selector>, { selectors }: ServerEntry): boolean =>
    selectors.every((selector) => held.has(selector))

  return {
    setAlias(entry) {
      const [first, ...others] = entry.selectors
      // One without selectors would be everybody's.
      if (first === undefined) return
      const rarest = (index: Index<Selector, unknown>): Selector =>
        others.reduce((best, one) => (index.count(one) < index.count(best) ? one : best), first)
      const filedUnder = rarest(filed)
      aliases.set(entry.id, { entry, filedUnder })
      filed.add(filedUnder, entry)
      named.add(entry.spiffeId, entry)
      for (const agent of bySelector.of(rarest(bySelector)))
        if (has(agents.get(agent)!, entry)) join(agent, entry)
    },
    removeAlias(id) {
      const alias = aliases.get(id)
      if (alias === undefined) return
      const { entry, filedUnder } = alias
      aliases.delete(id)
      filed.delete(filedUnder, entry)
      named.delete(entry.spiffeId, entry)
      for (const agent of Array.from(agentsOf.of(id))) part(agent, entry)
    },
    setAgent(id, selectors) {
      const before = agents.get(id)
      if (before !== undefined && equal(before, selectors)) return false
      forgetAgent(id)
      agents.set(id, selectors)
      for (const selector of selectors) {
        bySelector.add(selector, id)
        for (const alias of filed.of(selector)) if (has(selectors, alias)) join(id, alias)
      }
      return true
    },
    removeAgent(id) {
      const known = agents.has(id)
      forgetAgent(id)
      return known
    },
    isAgent: (id) => agents.has(id),
    *namesOf(agent) {
      for (const { spiffeId } of aliasesOf.of(agent)) yield spiffeId
    },
    *agentsNamed(alias) {
      for (const { id } of named.of(alias)) yield* agentsOf.of(id)
    },
    agentsOf: (alias) => new Set(agentsOf.of(alias)),
  }
}

function equal(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && Array.from(a).every((one) => b.has(one))
}

function oldestFirst(a: ServerEntry, b: ServerEntry): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)
}
