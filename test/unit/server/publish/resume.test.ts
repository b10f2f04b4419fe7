import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerEntry } from '../../../../src/registration/server-entry.ts'
import {
  firstRound,
  readToken,
  tokenOf,
  writeToken,
} from '../../../../src/server/publish/resume.ts'
import type { ChangedNames, Token } from '../../../../src/server/publish/resume.ts'
import type { Holding } from '../../../../src/server/publish/round.ts'
import type { StoredBundle } from '../../../../src/store/model.ts'
import { bundle, entry, entryId } from '../../../fakes/store-values.ts'

const served = (name: string, revision = 0): ServerEntry => ({
  ...entry(`/${name}`),
  id: entryId(name),
  revision,
  createdAt: 1,
})
const holding = (entries: readonly ServerEntry[], sequences: Record<string, number>): Holding => {
  const bundles = Object.entries(sequences).map(([name, sequence]) => bundle(name, { sequence }))
  return { entries, bundles: new Map(bundles.map((one) => [one.trustDomain, one])) }
}
const digestOf = (one: StoredBundle): string => String(one.sequence)
const token = (of: Holding, revision: number, lineage = 'l'): Token =>
  tokenOf(of, { lineage, revision }, digestOf)
const changed = (entries: readonly string[], bundles: readonly string[] = []): ChangedNames => ({
  entries: new Set(entries),
  bundles: new Set(bundles),
  upTo: 9,
})
const had = holding([served('e1'), served('e2')], { 'example.org': 1 })

/** What an agent that had `had` at revision 5 is told at revision 9. */
function told(shall: Holding, names: ChangedNames | undefined, lineage = 'l') {
  const { full, entries, bundles, removedEntries, removedBundles } = firstRound(
    token(had, 5),
    { holding: shall, token: token(shall, 9, lineage) },
    names,
  )
  assert.deepEqual([removedEntries, removedBundles], [[], []])
  return [full, entries.map(({ id }) => id), bundles.map(({ trustDomain }) => trustDomain)]
}

test('firstRound says nothing to whom nothing has changed for, whatever the log has forgotten', () => {
  assert.deepEqual(told(had, undefined), [false, [], []])
  assert.deepEqual(told(had, changed(['e1'])), [false, [], []])
})

test('firstRound says what has changed, or what is new, where names tell that this is all', () => {
  const updated = holding([served('e1', 1), served('e2')], { 'example.org': 1 })
  assert.deepEqual(told(updated, changed(['e1', 'x'])), [false, ['e1'], []])
  const created = holding([...had.entries, served('e3')], { 'example.org': 1 })
  assert.deepEqual(told(created, changed(['e3', 'x'])), [false, ['e3'], []])
  const trusted = holding(had.entries, { 'example.org': 2, 'example.com': 1 })
  assert.deepEqual(told(trusted, changed([], ['example.org'])), [
    true,
    ['e1', 'e2'],
    ['example.org', 'example.com'],
  ])
  const rotated = holding(had.entries, { 'example.org': 2 })
  assert.deepEqual(told(rotated, changed([], ['example.org'])), [false, [], ['example.org']])
})

test('firstRound says all where something may be gone, or the log does not tell of all that has happened', () => {
  const left = holding([served('e2')], { 'example.org': 1 })
  const all = [true, ['e2'], ['example.org']]
  assert.deepEqual(told(left, changed(['e1'])), all)
  assert.deepEqual(told(left, undefined), all)
  const updated = holding([served('e1', 1), served('e2')], { 'example.org': 1 })
  const everything = [true, ['e1', 'e2'], ['example.org']]
  assert.deepEqual(told(updated, changed(['e1']), 'another'), everything)
  assert.deepEqual(told(updated, undefined), everything)
  // The log was read before the registry went on.
  assert.deepEqual(told(updated, { ...changed(['e1']), upTo: 8 }), everything)
  assert.deepEqual(
    firstRound(undefined, { holding: had, token: token(had, 9) }, undefined).full,
    true,
  )
})

test('readToken reads what writeToken wrote, and nothing else', () => {
  const bytes = writeToken(token(had, 2 ** 47))
  assert(bytes.length <= 256)
  assert.deepEqual(readToken(bytes), token(had, 2 ** 47))
  assert.equal(readToken(bytes.subarray(1)), undefined)
  assert.equal(readToken(Buffer.concat([bytes, bytes])), undefined)
  assert.equal(readToken(Buffer.from(bytes).fill(2, 0, 1)), undefined)
  assert.equal(readToken(Buffer.alloc(0)), undefined)
})
