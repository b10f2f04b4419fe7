import type { Entry } from './entry.ts'
import type { Selector, SelectorKind } from './selector.ts'
import { SpindleError } from '../runtime/errors.ts'

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
}

/** A set of entries, oldest first, indexed for matching. */
export interface Registry {
  readonly entries: readonly Entry[]
  /** Every kind of selector some entry asks for. */
  readonly kinds: ReadonlySet<SelectorKind>
  match(known: KnownSelectors): Match
}

export function createRegistry(_entries: readonly Entry[]): Registry {
  throw new SpindleError('internal', 'unwritten')
}

/** The entry that serves under the name `default`: the first marked so, else the oldest. */
export function defaultEntry(_entries: readonly Entry[]): Entry | undefined {
  throw new SpindleError('internal', 'unwritten')
}
/** For each entry what is missing for a caller, nearest entry first: the material of `explain`. */
export interface NearMiss {
  readonly entry: Entry
  readonly missing: readonly Selector[]
}
export function nearMisses(_registry: Registry, _known: KnownSelectors, _limit: number): readonly NearMiss[] {
  throw new SpindleError('internal', 'unwritten')
}
