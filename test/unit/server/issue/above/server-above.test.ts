import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { generateKey } from '../../../../../src/certs/keys.ts'
import { BundleSchema } from '../../../../../src/gen/spire/api/types/bundle_pb.js'
import { readAbove } from '../../../../../src/server/issue/above/server-above.ts'

test('readAbove: takes authorities with what is said of them, and passes over keys that are of no use', async () => {
  const { spki: publicKey } = await generateKey('ec-p256')
  const { roots, keys } = readAbove(
    create(BundleSchema, {
      x509Authorities: [{ asn1: Uint8Array.of(1) }, { asn1: Uint8Array.of(2), tainted: true }],
      jwtAuthorities: [
        { keyId: 'a', publicKey, expiresAt: 12n },
        { keyId: 'b', publicKey, tainted: true },
        { keyId: '', publicKey },
        { keyId: 'c', publicKey: Uint8Array.of(7) },
      ],
    }),
  )
  assert.deepEqual(roots, [
    { certificate: Buffer.of(1), tainted: false },
    { certificate: Buffer.of(2), tainted: true },
  ])
  assert.deepEqual(keys, [
    { keyId: 'a', publicKey, expiresAt: 12_000, tainted: false },
    { keyId: 'b', publicKey, tainted: true },
  ])
})

test('readAbove: a bundle of more authorities than any real one has is refused', () => {
  const x509Authorities = Array.from({ length: 1_001 }, () => ({ asn1: Uint8Array.of(1) }))
  assert.throws(() => readAbove(create(BundleSchema, { x509Authorities })), {
    code: 'authority_unavailable',
  })
})
