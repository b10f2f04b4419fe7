import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerEntry } from '../../../../src/registration/server-entry.ts'
import {
  federated,
  fullRound,
  holdingOf,
  roundBetween,
} from '../../../../src/server/publish/round.ts'
import type { Holding } from '../../../../src/server/publish/round.ts'
import type { StoredBundle } from '../../../../src/store/model.ts'
import { bundle, entry, entryId, id, td } from '../../../fakes/store-values.ts'

const [own, other] = [td('example.org'), td('example.com')]
const served = (name: string, more: Partial<ServerEntry> = {}): ServerEntry => ({
  ...entry(`/${name}`),
  id: entryId(name),
  revision: 0,
  createdAt: 1,
  ...more,
})
const holding = (entries: readonly ServerEntry[], bundles: readonly StoredBundle[]): Holding => ({
  entries,
  bundles: new Map(bundles.map((one) => [one.trustDomain, one])),
})
const [e1, e2, e3] = [served('e1'), served('e2'), served('e3')]
const [ownBundle, otherBundle] = [bundle('example.org'), bundle('example.com')]

test('holdingOf is an agent’s entries, its own bundle and those its entries federate with, as far as there are such', () => {
  const entries = [
    served('e1', { federatesWith: [other, td('absent.org')] }),
    served('e2', { federatesWith: [other] }),
  ]
  const bundles = new Map([own, other, td('unrelated.org')].map((name) => [name, bundle(name)]))
  const registry = {
    entriesOf: () => entries,
    bundle: (name: StoredBundle['trustDomain']) => bundles.get(name),
  }
  const ofAgent = { trustDomain: own, before: undefined }
  const found = holdingOf(registry, id('/spire/agent/a'), ofAgent)
  assert.equal(found.entries, entries)
  assert.deepEqual(Array.from(found.bundles.keys()), [own, other])
  assert.deepEqual(federated(entries), new Set([other, td('absent.org')]))
  bundles.delete(own)
  const kept = holdingOf(registry, id('/spire/agent/a'), { trustDomain: own, before: ownBundle })
  assert.equal(kept.bundles.get(own), ownBundle, 'it is never taken from an agent')
})

test('roundBetween says what is new, has changed or is gone, once each, and nothing where nothing is', () => {
  const has = holding([e1, e2], [ownBundle, otherBundle])
  assert.equal(roundBetween(has, holding([e1, e2], [ownBundle, otherBundle])), undefined)
  const changed = served('e2', { revision: 1 })
  const newer = bundle('example.org', { sequence: 2 })
  assert.deepEqual(roundBetween(has, holding([changed, e3], [newer])), {
    full: false,
    entries: [changed, e3],
    removedEntries: ['e1'],
    bundles: [newer],
    removedBundles: [other],
  })
  assert.deepEqual(roundBetween(has, holding([], [ownBundle, otherBundle]))?.removedEntries, [
    'e1',
    'e2',
  ])
})

test('fullRound says all there is', () => {
  assert.deepEqual(fullRound(holding([e1], [ownBundle])), {
    full: true,
    entries: [e1],
    removedEntries: [],
    bundles: [ownBundle],
    removedBundles: [],
  })
})
