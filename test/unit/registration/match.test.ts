import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEntry, type Entry, type EntryFields } from '../../../src/registration/entry.ts'
import {
  createRegistry,
  defaultEntry,
  nearMisses,
  type KnownSelectors,
  type Match,
} from '../../../src/registration/match.ts'
import { parseSelector, type Selector } from '../../../src/registration/selector.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'

function entry(name: string, selectors: readonly string[], more: Partial<EntryFields> = {}): Entry {
  const fields = { spiffeId: `spiffe://td/${name}`, selectors, ...more }
  const { entry: made, faults } = createEntry(fields, parseTrustDomain('td'))
  assert.ok(made, JSON.stringify(faults))
  return made
}

const known = (
  selectors: readonly string[],
  unknownKinds: readonly string[] = [],
): KnownSelectors => ({
  selectors: new Set(selectors.map(parseSelector)),
  unknownKinds: new Set(unknownKinds),
})

/** Entries by the last part of their ID. */
const names = (entries: readonly Entry[]): readonly string[] =>
  entries.map((one) => one.spiffeId.slice('spiffe://td/'.length))
const shown = ({ entries, undecided }: Match): object => ({
  entries: names(entries),
  undecided: names(undecided),
})

const uid = entry('uid', ['unix:uid:1'])
const both = entry('both', ['unix:uid:1', 'unix:path:/bin/a'])
const hashed = entry('hashed', ['unix:uid:1', 'unix:sha256:aa'])
const registry = createRegistry([both, hashed, uid])

test('match grants the entries whose selectors the caller has all of, oldest first', () => {
  const match = registry.match(known(['unix:uid:1', 'unix:gid:1', 'unix:path:/bin/a']))
  assert.deepEqual(shown(match), { entries: ['both', 'uid'], undecided: [] })
  assert.deepEqual(shown(registry.match(known(['unix:path:/bin/a']))), {
    entries: [],
    undecided: [],
  })
  assert.deepEqual(shown(registry.match(known([]))), { entries: [], undecided: [] })
})

test('match leaves an entry undecided that only selectors of unknown kinds keep from being granted', () => {
  const match = registry.match(known(['unix:uid:1'], ['unix:sha256']))
  assert.deepEqual(shown(match), { entries: ['uid'], undecided: ['hashed'] })
})

test('match puts what is granted and what is undecided in one order, by age', () => {
  const { possible } = registry.match(known(['unix:uid:1'], ['unix:sha256', 'unix:path']))
  assert.deepEqual(names(possible), ['both', 'hashed', 'uid'])
  assert.deepEqual(names(registry.match(known(['unix:uid:1'])).possible), ['uid'])
})

test('match refuses an entry that lacks a selector of a known kind, whatever else is unknown', () => {
  const match = registry.match(known(['unix:uid:2'], ['unix:sha256', 'unix:path']))
  assert.deepEqual(shown(match), { entries: [], undecided: [] })
})

test('match counts a selector that is held as held, also where its kind is unknown', () => {
  const match = registry.match(known(['unix:uid:1', 'unix:path:/bin/a'], ['unix:path', 'unix:uid']))
  assert.deepEqual(shown(match), { entries: ['both', 'uid'], undecided: [] })
})

test('match names an undecided entry once where several of its kinds are unknown', () => {
  const match = registry.match(known([], ['unix:uid', 'unix:path', 'unix:sha256']))
  assert.deepEqual(shown(match), { entries: [], undecided: ['both', 'hashed', 'uid'] })
})

test('createRegistry keeps the first of entries with one id, and lists the kinds that are asked for', () => {
  const again = entry('uid', ['unix:uid:1'])
  const twice = createRegistry([uid, both, again])
  assert.deepEqual(names(twice.entries), ['uid', 'both'])
  assert.deepEqual(names(twice.match(known(['unix:uid:1'])).entries), ['uid'])
  assert.deepEqual(Array.from(twice.kinds).toSorted(), ['unix:path', 'unix:uid'])
})

/** Counts how often an entry's selector is looked up: the work of a match, without a clock. */
class CountingSet extends Set<Selector> {
  lookups = 0
  override has(value: Selector): boolean {
    this.lookups++
    return super.has(value)
  }
}

test('match looks at few of 10,000 entries that share a selector', () => {
  const many = Array.from({ length: 10_000 }, (_, n) =>
    entry(`w${n}`, ['a:shared:1', `unix:uid:${n}`, `z:group:${n % 10}`]),
  )
  const large = createRegistry(many)
  const held = [
    'a:shared:1',
    'unix:uid:77',
    'z:group:7',
    'b:b',
    'c:c',
    'd:d',
    'e:e',
    'f:f',
    'g:g',
    'h:h',
  ]
  const selectors = new CountingSet(held.map(parseSelector))
  assert.deepEqual(names(large.match({ selectors, unknownKinds: new Set() }).entries), ['w77'])
  assert.ok(selectors.lookups <= 10, `${selectors.lookups} lookups`)
})

test('defaultEntry is the first that is marked so, else the oldest', () => {
  const marked = entry('marked', ['a:b'], { default: true })
  const later = entry('later', ['a:b'], { default: true })
  assert.equal(defaultEntry([uid, marked, later]), marked)
  assert.equal(defaultEntry([both, uid]), both)
  assert.equal(defaultEntry([]), undefined)
})

test('nearMisses shows what is missing, nearest first, and no entry that is granted', () => {
  const far = entry('far', ['unix:uid:9', 'unix:gid:9'])
  const other = entry('other', ['unix:uid:9'])
  const all = createRegistry([far, other, hashed, both, uid])
  const misses = nearMisses(all, known(['unix:uid:1'], ['unix:sha256']), 10)
  assert.deepEqual(
    misses.map(({ entry: one, missing }) => [...names([one]), ...missing]),
    [
      ['hashed', 'unix:sha256:aa'],
      ['both', 'unix:path:/bin/a'],
      ['other', 'unix:uid:9'],
      ['far', 'unix:gid:9', 'unix:uid:9'],
    ],
  )
  assert.equal(nearMisses(all, known([]), 2).length, 2)
  assert.deepEqual(nearMisses(all, known([]), -1), [])
})
