import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import { SyncResponseSchema } from '#spindle/sync/v1/sync_pb.js'
import { BundleSchema } from '#spire/api/types/bundle_pb.js'
import type { Bundle } from '#spire/api/types/bundle_pb.js'
import { EntrySchema } from '#spire/api/types/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import type { Held, Said } from '../../../../../../src/agent/obtain/server/sync/round.ts'
import {
  NOTHING,
  apply,
  heldOf,
  servedOf,
  wholeRound,
} from '../../../../../../src/agent/obtain/server/sync/round.ts'
import { generateKey } from '../../../../../../src/certs/keys.ts'
import { createFleet } from '../../../../server/admit/fleet.ts'

const fleet = await createFleet()
const own = fleet.trustDomain

const entry = (id: string, more: MessageInitShape<typeof EntrySchema> | object = {}): Entry =>
  create(EntrySchema, {
    id,
    spiffeId: { trustDomain: own, path: `/${id}` },
    parentId: { trustDomain: own, path: '/node' },
    selectors: [{ type: 'unix', value: 'uid:1' }],
    ...more,
  } as MessageInitShape<typeof EntrySchema>)

const bundle = (trustDomain: string, more: object = {}): Bundle =>
  create(BundleSchema, {
    trustDomain,
    x509Authorities: [{ asn1: fleet.root }],
    ...more,
  } as MessageInitShape<typeof BundleSchema>)

const said = (what: Partial<Said>): Said => ({
  full: false,
  entries: [],
  removedEntries: [],
  bundles: [],
  removedBundles: [],
  ...what,
})

const FIRST = apply(
  NOTHING,
  said({ full: true, entries: [entry('a'), entry('b')], bundles: [bundle(own), bundle('p.test')] }),
  own,
).held

const after = (what: Partial<Said>, before: Held = FIRST): Held =>
  apply(before, said(what), own).held

test('apply() adds, replaces and removes what a round names, and keeps the rest', () => {
  const { entries, bundles } = after({
    entries: [entry('b', { hint: 'x', revisionNumber: 1n }), entry('c')],
    removedEntries: ['a', 'never there'],
    removedBundles: ['p.test', 'never.test'],
  })
  assert.deepEqual([...entries.keys()].sort(), ['b', 'c'])
  assert.equal(entries.get('b')?.hint, 'x')
  assert.deepEqual([...bundles.keys()], [own])
})

test('apply() of a full round keeps only what it names, and the same objects of what did not change', () => {
  const { entries, bundles } = after({ full: true, entries: [entry('a')], bundles: [bundle(own)] })
  assert.deepEqual([...entries.keys()], ['a'])
  assert.equal(entries.get('a'), FIRST.entries.get('a'))
  assert.equal(bundles.get(own), FIRST.bundles.get(own))
})

test('apply() counts what cannot be used and says why; it is not served', () => {
  const { held, faults } = apply(
    FIRST,
    said({
      entries: [entry('b', { selectors: [] }), entry('d', { spiffeId: { trustDomain: own } })],
      bundles: [bundle('NOT A NAME')],
    }),
    own,
  )
  assert.equal(held.entries.size, 3)
  assert.equal(held.bundles.size, 3)
  assert.equal(faults.length, 3, faults.join('\n'))
  const served = servedOf(held, own, undefined)
  assert.deepEqual(
    served?.entries.map(({ id }) => id),
    ['a'],
  )
  assert.deepEqual([...(served?.bundles.keys() ?? [])].sort(), [own, 'p.test'])
})

test('apply() says no more of faults than people read', () => {
  const entries = Array.from({ length: 500 }, (_, at) => entry(`e${at}`, { selectors: [] }))
  assert.equal(apply(NOTHING, said({ entries }), own).faults.length, 20)
})

test('servedOf() is the value before where nothing changed, and orders entries by age', () => {
  const before = servedOf(FIRST, own, undefined)
  assert.equal(servedOf(after({ removedEntries: ['never there'] }), own, before), before)
  const older = after({ entries: [entry('z'), entry('a', { createdAt: 5n, revisionNumber: 1n })] })
  const names = servedOf(older, own, before)?.entries.map(({ id }) => id)
  assert.deepEqual(names, ['b', 'z', 'a'])
})

test('servedOf() is nothing without an own bundle that has an authority', () => {
  assert.equal(servedOf(after({ removedBundles: [own] }), own, undefined), undefined)
  const empty = after({ bundles: [bundle(own, { x509Authorities: [] })] })
  assert.equal(servedOf(empty, own, undefined), undefined)
})

test('heldOf() goes on from what was served', () => {
  const served = servedOf(FIRST, own, undefined)
  const again = after({ entries: [entry('c')] }, heldOf(served))
  assert.equal(again.entries.get('a'), FIRST.entries.get('a'))
  assert.equal(again.entries.size, 3)
})

test('wholeRound() joins the parts', () => {
  const part = (init: object) =>
    create(SyncResponseSchema, init as MessageInitShape<typeof SyncResponseSchema>)
  const whole = wholeRound([
    part({ entries: [entry('a')], removedBundles: ['x.test'] }),
    part({ entries: [entry('b')], removedEntries: ['c'], complete: true }),
  ])
  assert.deepEqual(
    whole.entries.map(({ id }) => id),
    ['a', 'b'],
  )
  assert.deepEqual([whole.removedEntries, whole.removedBundles], [['c'], ['x.test']])
})

test('a bundle is read with what is tainted in it, and without what cannot be used', async () => {
  const { spki } = await generateKey('ec-p256')
  const message = bundle(own, {
    x509Authorities: [{ asn1: fleet.root, tainted: true }, { asn1: Buffer.from('no') }],
    jwtAuthorities: [
      { keyId: 'k', publicKey: spki, tainted: true },
      { keyId: '', publicKey: spki },
      { keyId: 'l', publicKey: Buffer.from('no') },
    ],
    refreshHint: 60n,
    sequenceNumber: 7n,
  })
  const { held, faults } = apply(NOTHING, said({ bundles: [message] }), own)
  const read = held.bundles.get(own)
  assert.equal(faults.length, 3, faults.join('\n'))
  assert.deepEqual(
    read?.taintedX509.map((der) => Buffer.from(der).equals(fleet.root)),
    [true],
  )
  assert.deepEqual(read?.taintedJwt, ['k'])
  assert.equal(read?.bundle.jwtAuthorities.length, 1)
  assert.equal(read?.bundle.jwtAuthorities[0]?.['kid'], 'k')
  assert.deepEqual([read?.bundle.sequence, read?.bundle.refreshHintSeconds], [7n, 60])
})
