// WT-28 of docs/conformance.md.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  federatedWith,
  isSettled,
  presented,
} from '../../../../../src/agent/serve/workload/identities.ts'
import type { Entry } from '../../../../../src/registration/entry.ts'
import { Granted } from '../../../../../src/registration/granted.ts'
import type { TrustDomain } from '../../../../../src/spiffe/spiffe-id.ts'
import { entry } from '../../obtain/setting.ts'

const granted = (...entries: readonly Entry[]) => new Granted(entries)
const names = (...entries: readonly Entry[]): readonly string[] =>
  presented(granted(...entries)).map(({ id }) => id)

const [a, b, c] = [entry('a', { hint: 'x' }), entry('b', { hint: 'x' }), entry('c')]
const d = entry('d', { hint: 'x', default: true })

test('presented puts the default first, then the order of the entries, and tells each hint once', () => {
  assert.deepEqual(names(), [])
  assert.deepEqual(names(c, a), ['c', 'a'])
  assert.deepEqual(names(a, b, c), ['a', 'c'])
  assert.deepEqual(names(b, a, c), ['b', 'c'])
  assert.deepEqual(names(a, c, d), ['d', 'c'])
  assert.deepEqual(
    names(c, entry('e'), entry('f')),
    ['c', 'e', 'f'],
    'no hint is no hint in common',
  )
})

test('isSettled is true where what is undecided can change neither the default nor a hint', () => {
  const settled = (now: readonly Entry[], possible: readonly Entry[]): boolean =>
    isSettled(granted(...now), granted(...possible))
  assert.equal(settled([a, c], [a, c]), true)
  assert.equal(settled([a], [a, c]), true)
  assert.equal(settled([a], [a, b]), true, 'the later one would be left out')
  assert.equal(settled([a], [c, a]), false, 'another may be the default')
  assert.equal(settled([c, b], [c, a, b]), false, 'another may have the hint')
  assert.equal(settled([a], [a, d]), false)
})

test('federatedWith is each trust domain of any entry, sorted and once', () => {
  const of = (...federated: readonly string[]) =>
    entry(federated.join(), { federatesWith: federated as readonly TrustDomain[] })
  assert.deepEqual(federatedWith(granted(of('b', 'a'), of(), of('c', 'b'))), ['a', 'b', 'c'])
})
