import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createEntry, type Entry } from '../../src/registration/entry.ts'
import { createRegistry, type KnownSelectors, type Match } from '../../src/registration/match.ts'
import { parseSelector, selectorKind } from '../../src/registration/selector.ts'
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'

const trustDomain = parseTrustDomain('td')
/** Few selectors, so that entries and callers meet often. */
const universe = ['uid', 'gid', 'path', 'sha256'].flatMap((kind) => [
  `unix:${kind}:1`,
  `unix:${kind}:2`,
])
const kinds = ['unix:uid', 'unix:gid', 'unix:path', 'unix:sha256', 'k8s:ns']

const entries = fc
  .array(fc.subarray(universe, { minLength: 1, maxLength: 5 }), { maxLength: 12 })
  .map((sets) =>
    sets.map((selectors, at): Entry => {
      // Two names only, so that equal entries occur.
      const { entry } = createEntry({ spiffeId: `spiffe://td/${at % 2}`, selectors }, trustDomain)
      assert.ok(entry)
      return entry
    }),
  )
const callers = fc.record({
  selectors: fc.subarray(universe).map((texts) => new Set(texts.map(parseSelector))),
  unknownKinds: fc.subarray(kinds).map((some) => new Set(some)),
})

/** The rule as it is said: every selector of the entry is held; or those that are not could not be looked up. */
function obviousMatch(registered: readonly Entry[], known: KnownSelectors): Match {
  const distinct = registered.filter(
    (entry, at) => registered.findIndex((other) => other.id === entry.id) === at,
  )
  const missing = (entry: Entry): readonly string[] =>
    entry.selectors.filter((selector) => !known.selectors.has(selector)).map(selectorKind)
  const possible = distinct.filter((entry) =>
    missing(entry).every((kind) => known.unknownKinds.has(kind)),
  )
  return {
    entries: distinct.filter((entry) => missing(entry).length === 0),
    undecided: possible.filter((entry) => missing(entry).length > 0),
    possible,
  }
}

test('match answers as the subset rule does, for any registry and caller', () => {
  let [granted, undecided] = [0, 0]
  fc.assert(
    fc.property(entries, callers, (registered, known) => {
      const match = createRegistry(registered).match(known)
      assert.deepEqual(match, obviousMatch(registered, known))
      granted += match.entries.length
      undecided += match.undecided.length
    }),
    { numRuns: 2000 },
  )
  assert.ok(granted > 500 && undecided > 500, 'the random callers met too few entries to mean much')
})
