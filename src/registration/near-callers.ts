import type { Entry } from './entry.ts'
import type { KnownSelectors, Registry } from './match.ts'
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

const LIMITS: Limits = { callers: 3, entries: 5_000, pairs: 200_000 }

/**
 * Who would be an entry and cannot, entry by entry: callers that have some of its selectors, and of those that have nothing
 * of any entry, each at its nearest.
 */
export function nearCallers<C>(
  registry: Registry,
  callers: Iterable<readonly [caller: C, known: KnownSelectors]>,
  limits: Limits = LIMITS,
): NearCallers<C> {
  if (registry.entries.length > limits.entries) return { byEntry: new Map(), complete: false }
  const asking = bySelector(registry)
  const byEntry = new Map<string, NearCaller<C>[]>()
  let left = limits.pairs
  for (const [caller, known] of callers) {
    const held = new Set<Entry>()
    for (const selector of known.selectors)
      for (const entry of asking.get(selector) ?? []) held.add(entry)
    left -= held.size
    if (held.size === 0) {
      left -= registry.entries.length
      if (left < 0) break
      for (const { entry, missing } of nearMisses(registry, known, 1))
        note(byEntry, entry, { caller, missing })
      continue
    }
    if (left < 0) break
    for (const entry of held) {
      const missing = entry.selectors.filter((one) => !known.selectors.has(one))
      if (missing.length > 0) note(byEntry, entry, { caller, missing })
    }
  }
  const nearest = Array.from(byEntry, ([id, near]) => {
    const sorted = near.toSorted((one, other) => one.missing.length - other.missing.length)
    return [id, sorted.slice(0, limits.callers)] as const
  })
  return { byEntry: new Map(nearest), complete: left >= 0 }
}

function bySelector({ entries }: Registry): ReadonlyMap<Selector, readonly Entry[]> {
  const pairs = entries.flatMap((entry) => entry.selectors.map((selector) => ({ selector, entry })))
  const groups = Map.groupBy(pairs, ({ selector }) => selector)
  return new Map(Array.from(groups, ([key, found]) => [key, found.map(({ entry }) => entry)]))
}

function note<C>(byEntry: Map<string, NearCaller<C>[]>, { id }: Entry, near: NearCaller<C>): void {
  const known = byEntry.get(id)
  if (known === undefined) byEntry.set(id, [near])
  else known.push(near)
}
