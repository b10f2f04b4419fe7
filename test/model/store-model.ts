/** The store as it is said: arrays that are searched from end to end, and one change after the other. */
import type { EntryContent, ServerEntry } from '../../src/registration/server-entry.ts'
import type { AttestedAgent, NewEntry, StoredBundle } from '../../src/store/model.ts'
import type {
  AgentFilter,
  Created,
  DeleteBundleMode,
  EntryFilter,
  SetFilter,
} from '../../src/store/port.ts'

export class StoreModel {
  entries: ServerEntry[] = []
  agents: AttestedAgent[] = []
  bundles: StoredBundle[] = []
  changes: {
    readonly revision: number
    readonly kind: string
    readonly key: string
    readonly at: number
  }[] = []
  revision = 0
  floor = 0
  now = 0

  create(asked: readonly NewEntry[]): readonly Created[] {
    return asked.map((content) => {
      const similar = this.entries.find((one) => like(one) === like(content))
      if (similar !== undefined) return { kind: 'similar', entry: similar }
      const namesake = this.entries.find((one) => one.id === content.id)
      if (namesake !== undefined) return { kind: 'id_taken', entry: namesake }
      const entry = {
        ...content,
        ...sets(content),
        id: content.id!,
        revision: 0,
        createdAt: this.now,
      }
      this.#put(entry)
      return { kind: 'created', entry }
    })
  }

  update(id: string, change: (was: ServerEntry) => EntryContent): string {
    const was = this.entries.find((one) => one.id === id)
    if (was === undefined) return 'not_found'
    const content = change(was)
    const { id: own, revision, createdAt } = was
    const next = { ...content, ...sets(content), id: own, revision, createdAt }
    if (same(next, was)) return 'unchanged'
    if (this.entries.some((one) => one.id !== id && like(one) === like(next))) return 'similar'
    this.#put({ ...next, revision: revision + 1 })
    return 'updated'
  }

  delete(id: string): boolean {
    const there = this.entries.some((one) => one.id === id)
    this.entries = this.entries.filter((one) => one.id !== id)
    if (there) this.#log('entry', id)
    return there
  }

  list(filter: EntryFilter): readonly ServerEntry[] {
    const { spiffeId, parentId, selectors, federatesWith, hint, downstream } = filter
    return this.entries.filter(
      (one) =>
        (spiffeId === undefined || one.spiffeId === spiffeId) &&
        (parentId === undefined || one.parentId === parentId) &&
        (hint === undefined || one.hint === hint) &&
        (downstream === undefined || one.downstream === downstream) &&
        matches(selectors, one.selectors) &&
        matches(federatesWith, one.federatesWith),
    )
  }

  setAgent(next: AttestedAgent): void {
    const was = this.agents.find((one) => one.id === next.id)
    const now = { ...next, selectors: unique(next.selectors) }
    if (was !== undefined && same(was, now)) return
    this.agents = sorted([...this.agents.filter((one) => one.id !== next.id), now])
    this.#log('agent', next.id)
  }

  deleteAgent(id: string): void {
    if (!this.agents.some((one) => one.id === id)) return
    this.agents = this.agents.filter((one) => one.id !== id)
    this.#log('agent', id)
  }

  listAgents(filter: AgentFilter): readonly AttestedAgent[] {
    const { attestationType, selectors, banned, canReattest, expiresBefore } = filter
    return this.agents.filter(
      (one) =>
        (attestationType === undefined || one.attestationType === attestationType) &&
        (banned === undefined || one.banned === banned) &&
        (canReattest === undefined || one.canReattest === canReattest) &&
        (expiresBefore === undefined || one.expiresAt < expiresBefore) &&
        matches(selectors, one.selectors),
    )
  }

  setBundle(next: StoredBundle): void {
    const was = this.bundles.find((one) => one.trustDomain === next.trustDomain)
    if (was !== undefined && same(was, next)) return
    this.bundles = [...this.bundles.filter((one) => one !== was), next]
    this.#log('bundle', next.trustDomain)
  }

  deleteBundle(name: string, mode: DeleteBundleMode): string {
    const bundle = this.bundles.find((one) => one.trustDomain === name)
    if (bundle === undefined) return 'not_found'
    const federated = this.entries.filter((one) => one.federatesWith.some((td) => td === name))
    if (mode === 'restrict' && federated.length > 0) return 'in_use'
    for (const entry of federated) {
      if (mode === 'delete') this.delete(entry.id)
      else {
        const federatesWith = entry.federatesWith.filter((td) => td !== name)
        this.update(entry.id, (was) => ({ ...was, federatesWith }))
      }
    }
    this.bundles = this.bundles.filter((one) => one !== bundle)
    this.#log('bundle', name)
    return 'deleted'
  }

  pruneEntries(): number {
    const gone = this.entries.filter(
      (one) => one.expiresAt !== undefined && one.expiresAt <= this.now,
    )
    for (const { id } of soonest(gone)) this.delete(id)
    return gone.length
  }

  pruneAgents(once: boolean): number {
    const gone = this.listAgents({ expiresBefore: this.now, banned: false }).filter(
      ({ canReattest }) => canReattest || once,
    )
    for (const { id } of soonest(gone)) this.deleteAgent(id)
    return gone.length
  }

  pruneChanges(before: number): void {
    const last = this.changes.findLast(({ at }) => at < before)?.revision
    if (last === undefined) return
    this.floor = last
    this.changes = this.changes.filter(({ revision }) => revision > last)
  }

  #put(entry: ServerEntry): void {
    this.entries = sorted([...this.entries.filter((one) => one.id !== entry.id), entry])
    this.#log('entry', entry.id)
  }

  #log(kind: string, key: string): void {
    const others = this.changes.filter((one) => one.kind !== kind || one.key !== key)
    this.changes = [...others, { revision: ++this.revision, kind, key, at: this.now }]
  }
}

function matches(filter: SetFilter<string> | undefined, set: readonly string[]): boolean {
  if (filter === undefined) return true
  const of = new Set(filter.of)
  const held = set.filter((one) => of.has(one)).length
  switch (filter.match) {
    case 'exact':
      return held === of.size && held === set.length
    case 'subset':
      return held > 0 && held === set.length
    case 'superset':
      return held === of.size
    case 'any':
      return held > 0
  }
}

const unique = <T extends string>(set: readonly T[]): T[] =>
  Array.from(new Set(set)).toSorted((a, b) => (a < b ? -1 : 1))
const sets = ({ selectors, federatesWith }: EntryContent) => ({
  selectors: unique(selectors),
  federatesWith: unique(federatesWith),
})
const like = ({ spiffeId, parentId, selectors }: EntryContent): string =>
  JSON.stringify([spiffeId, parentId, unique(selectors)])
const sorted = <T extends { readonly id: string }>(all: readonly T[]): T[] =>
  all.toSorted((a, b) => (a.id < b.id ? -1 : 1))

const soonest = <T extends { readonly expiresAt?: number }>(all: readonly T[]): T[] =>
  all.toSorted((a, b) => a.expiresAt! - b.expiresAt!)

function same(a: object, b: object): boolean {
  const text = (one: object): string =>
    JSON.stringify(Object.entries(one).toSorted(([x], [y]) => (x < y ? -1 : 1)))
  return text(a) === text(b)
}
