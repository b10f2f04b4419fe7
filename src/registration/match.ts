import type { Entry } from './entry.ts'
import { selectorKind, type Selector, type SelectorKind } from './selector.ts'

/** What is known about a caller: its selectors, and the kinds that could not be looked up just now. */
export interface KnownSelectors {
  readonly selectors: ReadonlySet<Selector>
  readonly unknownKinds: ReadonlySet<SelectorKind>
}

export interface Match {
  /** Entries all of whose selectors the caller has; oldest (first in the registry) first. */
  readonly entries: readonly Entry[]
  /** Entries that would match if their selectors of unknown kinds did: neither granted nor refused yet. */
  readonly undecided: readonly Entry[]
  /** Both of them, oldest first: what would match if all that is unknown turned out so. */
  readonly possible: readonly Entry[]
}

/** A set of entries, oldest first, indexed for matching. */
export interface Registry {
  /** Oldest first; those with one id say the same and are one entry. */
  readonly entries: readonly Entry[]
  /** Every kind of selector some entry asks for. */
  readonly kinds: ReadonlySet<SelectorKind>
  match(known: KnownSelectors): Match
}

/** An entry in its place; `needs` begins with the selector it is found by. */
interface Filed {
  readonly entry: Entry
  readonly place: number
  readonly needs: readonly Need[]
}
interface Need {
  readonly selector: Selector
  readonly kind: SelectorKind
}

/** Files each entry under its rarest selector, so that a match looks only at entries the caller is likely to have. */
export function createRegistry(entries: readonly Entry[]): Registry {
  const unique = Array.from(new Map(entries.map((entry) => [entry.id, entry])).values())
  const counts = countSelectors(unique)
  const bySelector = new Map<Selector, Filed[]>()
  const byKind = new Map<SelectorKind, Filed[]>()
  unique.forEach((entry, place) => {
    const needs = rarestFirst(entry.selectors, counts)
    const [key] = needs
    if (key === undefined) return
    const filed: Filed = { entry, place, needs }
    append(bySelector, key.selector, filed)
    append(byKind, key.kind, filed)
  })
  return {
    entries: unique,
    kinds: new Set(Array.from(counts.keys(), selectorKind)),
    match: (known) => match(known, bySelector, byKind),
  }
}

function match(
  known: KnownSelectors,
  bySelector: ReadonlyMap<Selector, readonly Filed[]>,
  byKind: ReadonlyMap<SelectorKind, readonly Filed[]>,
): Match {
  const granted: Filed[] = []
  const undecided: Filed[] = []
  const judge = (filed: Filed): void => {
    const verdict = judgement(filed.needs, known)
    if (verdict === 'granted') granted.push(filed)
    if (verdict === 'undecided') undecided.push(filed)
  }
  for (const held of known.selectors) bySelector.get(held)?.forEach(judge)
  for (const kind of known.unknownKinds) {
    for (const filed of byKind.get(kind) ?? []) {
      // One whose key is held was judged above.
      if (!known.selectors.has(filed.needs[0]!.selector)) judge(filed)
    }
  }
  const entries = oldestFirst(granted)
  return {
    entries,
    undecided: oldestFirst(undecided),
    possible: undecided.length === 0 ? entries : oldestFirst([...granted, ...undecided]),
  }
}

function judgement(
  needs: readonly Need[],
  known: KnownSelectors,
): 'granted' | 'undecided' | 'refused' {
  let verdict: 'granted' | 'undecided' = 'granted'
  for (const need of needs) {
    if (known.selectors.has(need.selector)) continue
    if (!known.unknownKinds.has(need.kind)) return 'refused'
    verdict = 'undecided'
  }
  return verdict
}

/** The entry that serves under the name `default`: the first marked so, else the oldest. */
export function defaultEntry(entries: readonly Entry[]): Entry | undefined {
  return entries.find((entry) => entry.default) ?? entries[0]
}

/** For each entry what is missing for a caller, nearest entry first: the material of `explain`. */
export interface NearMiss {
  readonly entry: Entry
  /** At least one; those of kinds not known just now are among them. */
  readonly missing: readonly Selector[]
}

/** At most `limit` entries that are not granted: fewest missing selectors first, then most held, then oldest. */
export function nearMisses(
  registry: Registry,
  known: KnownSelectors,
  limit: number,
): readonly NearMiss[] {
  return registry.entries
    .map((entry) => ({
      entry,
      missing: entry.selectors.filter((one) => !known.selectors.has(one)),
    }))
    .filter((miss) => miss.missing.length > 0)
    .toSorted((a, b) => a.missing.length - b.missing.length || heldCount(b) - heldCount(a))
    .slice(0, Math.max(0, limit))
}

function heldCount(miss: NearMiss): number {
  return miss.entry.selectors.length - miss.missing.length
}

function countSelectors(entries: readonly Entry[]): ReadonlyMap<Selector, number> {
  const counts = new Map<Selector, number>()
  for (const entry of entries) {
    for (const selector of entry.selectors) counts.set(selector, (counts.get(selector) ?? 0) + 1)
  }
  return counts
}

function rarestFirst(
  selectors: readonly Selector[],
  counts: ReadonlyMap<Selector, number>,
): readonly Need[] {
  return selectors
    .toSorted((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0))
    .map((selector) => ({ selector, kind: selectorKind(selector) }))
}

function append<K>(index: Map<K, Filed[]>, key: K, filed: Filed): void {
  const filedThere = index.get(key)
  if (filedThere === undefined) index.set(key, [filed])
  else filedThere.push(filed)
}

function oldestFirst(filed: Filed[]): readonly Entry[] {
  return filed.sort((a, b) => a.place - b.place).map(({ entry }) => entry)
}
