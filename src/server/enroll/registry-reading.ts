/** How a registry reads the store: all there is, or what has changed since it looked last, and never half of a commit. */
import { isDeepStrictEqual } from 'node:util'
import type { EntryId } from '../../registration/server-entry.ts'
import { nextTurn } from '../../runtime/slices.ts'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import { MOST_A_PAGE } from '../../store/port.ts'
import type { Page, PageRequest, Position, Store, StoreChange } from '../../store/port.ts'
import { noDifference } from './registry-state.ts'
import type { Difference, RegistryState } from './registry-state.ts'

export interface Reading {
  readonly difference: Difference
  /** Of the state that the difference leads to. */
  readonly position: Position
  /** The store has had changes since. */
  readonly more: boolean
}

/** How often a reading takes in what was changed while it read; then it is taken as it is, lest it never ends. */
const MOST_ROUNDS = 50
/** Agents that are asked for at a time. */
const AGENTS_AT_ONCE = 16

/** What differs from `state`, which was read at `from`. @returns undefined where the log does not lead on from there */
export async function readChanges(store: Store, from: Position): Promise<Reading | undefined> {
  return await settle(store, from, noDifference())
}

/** What differs from `state`, whatever it was read from; all of the store where it is empty. */
export async function readAll(store: Store, state: RegistryState): Promise<Reading> {
  for (;;) {
    const position = await store.changes.position()
    const difference = await differenceOfAll(store, state)
    const reading = await settle(store, position, difference)
    if (reading !== undefined) return reading
  }
}

/**
 * Values are read as they are at that moment, which is later than the changes that were told. So the log is asked again, until
 * nothing of what was read has changed since: a commit that was seen in part would be among what is told then.
 */
async function settle(
  store: Store,
  from: Position,
  difference: Difference,
): Promise<Reading | undefined> {
  let position = from
  for (let rounds = 0; ; rounds++) {
    const news = await changesSince(store, position)
    if (news === undefined) return undefined
    const { changes } = news
    const fresh = rounds > 0 && !changes.some((change) => isIn(difference, change))
    if (changes.length === 0) return { difference, position: news.position, more: false }
    if (fresh || rounds >= MOST_ROUNDS) return { difference, position, more: true }
    await readValues(store, changes, difference)
    position = news.position
  }
}

/** Up to the last commit: that a page ends in the middle of one is of no account. */
async function changesSince(
  store: Store,
  from: Position,
): Promise<{ readonly changes: readonly StoreChange[]; readonly position: Position } | undefined> {
  const changes: StoreChange[] = []
  let position = from
  for (;;) {
    const told = await store.changes.since(position, MOST_A_PAGE)
    if (told.kind === 'start_anew') return undefined
    changes.push(...told.changes)
    position = told.position
    if (!told.more) return { changes, position }
    await nextTurn()
  }
}

function isIn(difference: Difference, { kind, key }: StoreChange): boolean {
  if (kind === 'entry') return difference.entries.has(key as EntryId)
  if (kind === 'agent') return difference.agents.has(key as SpiffeId)
  return kind === 'bundle' && difference.bundles.has(key as TrustDomain)
}

/** Each is put into `difference` as it is there now. */
async function readValues(
  store: Store,
  changes: readonly StoreChange[],
  difference: Difference,
): Promise<void> {
  const keysOf = (kind: StoreChange['kind']): readonly string[] =>
    Array.from(new Set(changes.filter((one) => one.kind === kind).map(({ key }) => key)))
  for (const ids of chunks(keysOf('entry') as readonly EntryId[], MOST_A_PAGE)) {
    for (const id of ids) difference.entries.set(id, undefined)
    for (const entry of await store.entries.getMany(ids)) difference.entries.set(entry.id, entry)
    await nextTurn()
  }
  for (const ids of chunks(keysOf('agent') as readonly SpiffeId[], AGENTS_AT_ONCE)) {
    const agents = await Promise.all(ids.map((id) => store.agents.get(id)))
    ids.forEach((id, at) => difference.agents.set(id, agents[at]))
    await nextTurn()
  }
  for (const name of keysOf('bundle') as readonly TrustDomain[])
    difference.bundles.set(name, await store.bundles.get(name))
}

async function differenceOfAll(store: Store, state: RegistryState): Promise<Difference> {
  const keys = state.keys()
  const [entries, agents, bundles] = [
    await differing(
      { list: (page) => store.entries.list({}, page), keyOf: ({ id }) => id },
      { keys: keys.entries, get: state.entry },
    ),
    await differing(
      { list: (page) => store.agents.list({}, page), keyOf: ({ id }) => id },
      { keys: keys.agents, get: state.agent },
    ),
    await differing(
      { list: (page) => store.bundles.list(page), keyOf: ({ trustDomain }) => trustDomain },
      { keys: keys.bundles, get: state.bundle },
    ),
  ]
  return { entries, agents, bundles }
}

/** Page by page, with a turn of the event loop between. */
async function differing<K, V>(
  source: {
    readonly list: (page: PageRequest) => Promise<Page<V>>
    readonly keyOf: (value: V) => K
  },
  known: { readonly keys: Iterable<K>; readonly get: (key: K) => V | undefined },
): Promise<Map<K, V | undefined>> {
  const different = new Map<K, V | undefined>()
  const gone = new Set(known.keys)
  let token: string | undefined
  do {
    const page = await source.list({ limit: MOST_A_PAGE, token })
    for (const value of page.items) {
      const key = source.keyOf(value)
      if (!gone.delete(key) || !isDeepStrictEqual(known.get(key), value)) different.set(key, value)
    }
    token = page.next
    await nextTurn()
  } while (token !== undefined)
  for (const key of gone) different.set(key, undefined)
  return different
}

/** The same, of some entries each: what is applied at once holds the event loop. */
export function* inParts({ entries, ...others }: Difference): Iterable<Difference> {
  yield { ...others, entries: new Map() }
  for (const part of chunks(Array.from(entries), MOST_A_PAGE))
    yield { ...noDifference(), entries: new Map(part) }
}

function* chunks<T>(all: readonly T[], size: number): Iterable<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}
