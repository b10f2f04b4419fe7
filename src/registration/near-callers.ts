import type { Entry } from './entry.ts'
import type { KnownSelectors, NearMiss, Registry } from './match.ts'
import { nearMisses } from './match.ts'
import type { Selector } from './selector.ts'

/** A caller that has not all of an entry's selectors. */
export interface NearCaller<C> {
  readonly caller: C
  /** At least one; those of kinds not known just now are among them. */
  readonly missing: readonly Selector[]
}

export interface NearCallers<C> {
  /** By the id of the entry, those that miss fewest first. */
  readonly byEntry: ReadonlyMap<string, readonly NearCaller<C>[]>
  /** False where there was too much to compare: some that are near are then not told. */
  readonly complete: boolean
}

interface Limits {
  /** Callers told of an entry. */
  readonly callers: number
  /** Of the registry. */
  readonly entries: number
  /** Pairs of caller and entry that are looked at. */
  readonly pairs: number
}

const LIMITS: Limits = { callers: 3, entries: 5_000, pairs: 50_000 }

/**
 * Who would be an entry and cannot, entry by entry: callers that have some of its selectors, and of those that have nothing
 * of any entry, each at its nearest.
 */
export function nearCallers<C>(
  registry: Registry,
  callers: Iterable<readonly [caller: C, known: KnownSelectors]>,
  limits: Limits = LIMITS,
): NearCallers<C> {
  const byEntry = new Map<string, NearCaller<C>[]>()
  if (registry.entries.length > limits.entries) return { byEntry, complete: false }
  const asking = bySelector(registry)
  let left = limits.pairs
  for (const { known, callers: alike } of grouped(callers, limits.callers)) {
    const held = new Set(Array.from(known.selectors).flatMap((one) => asking.get(one) ?? []))
    left -= held.size > 0 ? held.size : registry.entries.length
    if (left < 0) return { byEntry, complete: false }
    const near = held.size > 0 ? misses(held, known) : nearMisses(registry, known, 1)
    for (const { entry, missing } of near) {
      const told = byEntry.get(entry.id) ?? []
      byEntry.set(entry.id, nearest(told, alike, { missing, limit: limits.callers }))
    }
  }
  return { byEntry, complete: true }
}

interface Group<C> {
  readonly known: KnownSelectors
  readonly callers: C[]
}

/** Many sidecars are alike, and one answer does for all of them; `limit` of each group are kept. */
function grouped<C>(
  callers: Iterable<readonly [C, KnownSelectors]>,
  limit: number,
): Iterable<Group<C>> {
  const groups = new Map<string, Group<C>>()
  for (const [caller, known] of callers) {
    const key = Array.from(known.selectors).join('\n')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { known, callers: [caller] })
    else if (group.callers.length < limit) group.callers.push(caller)
  }
  return groups.values()
}

function misses(entries: Iterable<Entry>, { selectors }: KnownSelectors): readonly NearMiss[] {
  return Array.from(entries).flatMap((entry) => {
    const missing = entry.selectors.filter((one) => !selectors.has(one))
    return missing.length === 0 ? [] : [{ entry, missing }]
  })
}

/** Those told already and `callers`, those that miss fewest first. */
function nearest<C>(
  told: NearCaller<C>[],
  callers: readonly C[],
  { missing, limit }: { readonly missing: readonly Selector[]; readonly limit: number },
): NearCaller<C>[] {
  const place = told.findIndex((one) => one.missing.length > missing.length)
  if (place === -1 && told.length >= limit) return told
  const added = callers.map((caller) => ({ caller, missing }))
  return told.toSpliced(place === -1 ? told.length : place, 0, ...added).slice(0, limit)
}

function bySelector({ entries }: Registry): ReadonlyMap<Selector, readonly Entry[]> {
  const pairs = entries.flatMap((entry) => entry.selectors.map((selector) => ({ selector, entry })))
  const groups = Map.groupBy(pairs, ({ selector }) => selector)
  return new Map(Array.from(groups, ([key, found]) => [key, found.map(({ entry }) => entry)]))
}
