// WT-27 of docs/conformance.md.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import {
  X509BundlesResponseSchema,
  X509SVIDResponseSchema,
} from '../../../src/gen/spiffe/workload/workload_pb.js'
import { readX509, readX509Bundles } from '../../../src/workload/x509.ts'
import { makeCa, makeLeaf } from '../certs/make-certificate.ts'
import type { X509Init } from './setting.ts'
import { ca, otherCa, svid } from './setting.ts'

const read = (init: X509Init) => readX509(create(X509SVIDResponseSchema, init))
const readBundles = (bundles: Record<string, Uint8Array>) =>
  readX509Bundles(create(X509BundlesResponseSchema, { bundles }))

test('readX509() reads chain, key and bundle, each certificate by itself', async () => {
  const intermediate = await makeCa({ by: ca })
  const leaf = await makeLeaf({ by: intermediate })
  const { svids, notes } = read({
    svids: [
      await svid('web', {
        x509Svid: Buffer.concat([leaf.der, intermediate.der]),
        x509SvidKey: leaf.key.pkcs8,
        bundle: Buffer.concat([ca.der, otherCa.der]),
      }),
    ],
  })
  assert.deepEqual(svids[0].chain, [leaf.der, intermediate.der])
  assert.deepEqual(svids[0].privateKey, leaf.key.pkcs8)
  assert.deepEqual(svids[0].bundle, [ca.der, otherCa.der])
  assert(svids[0].notBefore < svids[0].notAfter)
  assert.deepEqual(notes, [])
})

test('readX509() discards a response in which anything does not fit', async () => {
  const right = await svid('web')
  const leaf = await makeLeaf({ by: ca })
  const cases: readonly (readonly [Partial<Record<keyof typeof right, unknown>>, RegExp])[] = [
    [{ spiffeId: '' }, /does not begin with spiffe/],
    [{ spiffeId: 'spiffe://example.org/db' }, /given as spiffe:\S+\/db, and is spiffe:\S+\/web/],
    [{ x509Svid: new Uint8Array() }, /no DER certificates/],
    [{ x509Svid: leaf.der.subarray(0, -1) }, /no DER certificates/],
    [{ x509Svid: Buffer.concat([leaf.der, Buffer.of(0)]) }, /no DER certificates/],
    [{ x509Svid: Buffer.of(0x30, 0) }, /certificate 1: not a certificate/],
    [{ x509Svid: ca.der }, /not an X.509-SVID/],
    [{ x509SvidKey: new Uint8Array() }, /no x509_svid_key/],
    [{ x509SvidKey: Buffer.from('key') }, /private key is not readable/],
    [{ x509SvidKey: Buffer.concat([leaf.key.pkcs8, Buffer.of(0)]) }, /private key is not readable/],
    [{ x509SvidKey: leaf.key.pkcs8 }, /private key does not fit/],
    [{ bundle: new Uint8Array() }, /has no bundle/],
    [{ bundle: Buffer.of(0x30, 0) }, /has no bundle/],
    [{ bundle: Buffer.from('bundle') }, /not DER certificates/],
  ]
  for (const [change, fault] of cases)
    assert.throws(
      () => read({ svids: [{ ...right, ...change } as typeof right] }),
      { code: 'agent_failed', message: fault },
      String(fault),
    )
  assert.throws(() => read({ svids: [right, { ...right, spiffeId: '' } as typeof right] }), {
    code: 'agent_failed',
  })
  assert.throws(() => read({ svids: [] }), { code: 'agent_failed', message: /no SVID/ })
})

test('readX509() never says anything of a key', async () => {
  const right = await svid('web')
  const key = `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(64)}\n`
  for (const change of [{ x509SvidKey: Buffer.from(key) }, { spiffeId: key }, { hint: key }])
    assert.throws(
      () => read({ svids: [{ ...right, ...change, bundle: Buffer.of(1) } as typeof right] }),
      (thrown: Error) => !thrown.message.includes('PRIVATE KEY'),
    )
})

test('readX509() gives a hint that occurs twice to the first, and says so', async () => {
  const { svids, notes } = read({
    svids: [
      await svid('a', { hint: 'x' }),
      await svid('b', { hint: 'x' }),
      await svid('c'),
      await svid('d'),
    ],
  })
  assert.deepEqual(
    svids.map(({ spiffeId }) => spiffeId.slice(-1)),
    ['a', 'c', 'd'],
  )
  assert.equal(notes.length, 1)
  assert.match(notes[0]!, /\/b is passed over: its hint "x"/)
})

test('readX509() leaves a redacted bundle out, and passes over an authority it cannot read alone', async () => {
  const { federatedBundles, notes } = read({
    svids: [await svid('web')],
    federatedBundles: {
      'spiffe://other.org': Buffer.concat([otherCa.der, Buffer.of(0x30, 0)]),
      'spiffe://revoked.org': new Uint8Array(),
      'spiffe://broken.org': Buffer.of(0x30, 0),
    },
  })
  assert.deepEqual([...federatedBundles], [['other.org', [otherCa.der]]])
  assert.equal(notes.length, 2)
})

test('readX509Bundles() wants at least one, under the SPIFFE IDs of trust domains', () => {
  const { bundles } = readBundles({ 'spiffe://example.org': ca.der })
  assert.deepEqual([...bundles], [['example.org', [ca.der]]])
  const refused = ['example.org', 'spiffe://example.org/', 'spiffe://example.org/a', '']
  for (const key of refused)
    assert.throws(() => readBundles({ [key]: ca.der }), { code: 'agent_failed' }, key)
  assert.throws(() => readBundles({}), { code: 'agent_failed', message: /no bundle/ })
  assert.throws(() => readBundles({ 'spiffe://example.org': Buffer.of(1) }), {
    message: /not DER certificates/,
  })
})
