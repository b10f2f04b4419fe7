import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import type { KeyPair } from '../../../src/certs/keys.ts'
import { envoyFaults } from '../../../src/certs/parse.ts'
import { HOUR, makeCa, makeLeaf, NOW, type Made } from './make-certificate.ts'

const root = await makeCa({ name: 'CN=root' })
const inner = await makeCa({ name: 'CN=inner', by: root })
const leaf = await makeLeaf({ by: inner })

const faults = (chain: readonly Made[], pkcs8: Uint8Array, now = NOW): readonly string[] =>
  envoyFaults({ chain: chain.map(({ der }) => der), pkcs8 }, now)

test('envoyFaults finds nothing in what Envoy serves', async () => {
  assert.deepEqual(faults([leaf], leaf.key.pkcs8), [])
  assert.deepEqual(faults([leaf, inner], leaf.key.pkcs8), [])
  assert.deepEqual(faults([leaf, inner, root], leaf.key.pkcs8), [])
  for (const keyType of ['ec-p384', 'rsa-2048'] as const) {
    const other = await makeLeaf({ by: root, keyType })
    assert.deepEqual(faults([other], other.key.pkcs8), [])
  }
})

test('envoyFaults: a key of another certificate, an encrypted one, none', () => {
  assert.deepEqual(faults([leaf], root.key.pkcs8), ['the private key does not fit the leaf'])
  const unreadable = ['the private key is not readable as unencrypted PKCS#8']
  assert.deepEqual(faults([leaf], new Uint8Array()), unreadable)
  const locked = leaf.key.privateKey.export({
    type: 'pkcs8',
    format: 'der',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  })
  assert.deepEqual(faults([leaf], locked), unreadable)
})

test('envoyFaults: the leaf must be first, and no CA', async () => {
  assert.deepEqual(faults([], leaf.key.pkcs8), ['there is no certificate'])
  const swapped = faults([inner, leaf], leaf.key.pkcs8)
  assert.ok(swapped.includes('the first certificate is a CA, not a leaf'))
  assert.ok(swapped.includes('the private key does not fit the leaf'))
  assert.deepEqual(faults([root], root.key.pkcs8), ['the first certificate is a CA, not a leaf'])
})

test('envoyFaults: each certificate after the leaf issued the one before it', async () => {
  assert.deepEqual(faults([leaf, root], leaf.key.pkcs8), [
    'certificate 1 was not issued by certificate 2',
  ])
  const namesake = await makeCa({ name: 'CN=inner', by: root })
  assert.deepEqual(faults([leaf, namesake, root], leaf.key.pkcs8), [
    'certificate 1 was not issued by certificate 2',
  ])
})

test('envoyFaults: every certificate is inside its lifetime', async () => {
  assert.deepEqual(faults([leaf], leaf.key.pkcs8, NOW + HOUR), [])
  assert.deepEqual(faults([leaf], leaf.key.pkcs8, NOW + HOUR + 1), ['certificate 1 has expired'])
  assert.deepEqual(faults([leaf], leaf.key.pkcs8, NOW - HOUR - 1), [
    'certificate 1 is not valid yet',
  ])
  const ended = await makeCa({ name: 'CN=ended', notAfter: NOW - 1000 })
  const under = await makeLeaf({ by: ended })
  assert.deepEqual(faults([under, ended], under.key.pkcs8), ['certificate 2 has expired'])
})

test('envoyFaults: a leaf has a subject CN or a SAN', async () => {
  const nameless = await makeLeaf({ by: root, name: '', uris: [] })
  assert.deepEqual(faults([nameless], nameless.key.pkcs8), [
    'the leaf has neither a subject CN nor a SAN',
  ])
  const onlyO = await makeLeaf({ by: root, name: 'O=x', uris: [] })
  assert.equal(faults([onlyO], onlyO.key.pkcs8).length, 1)
  const onlyCn = await makeLeaf({ by: root, name: 'O=x,CN=y', uris: [] })
  assert.deepEqual(faults([onlyCn], onlyCn.key.pkcs8), [])
  const onlySan = await makeLeaf({ by: root, name: '' })
  assert.deepEqual(faults([onlySan], onlySan.key.pkcs8), [])
})

/** A pair whose `type` says nothing: only its halves are used. */
const pairOf = (privateKey: KeyObject): KeyPair => ({
  type: 'ec-p256',
  privateKey,
  spki: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
  pkcs8: privateKey.export({ type: 'pkcs8', format: 'der' }),
})

test('envoyFaults: only kinds and sizes of key that BoringSSL serves', async () => {
  const ec = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey
  const rsa = (modulusLength: number): KeyObject =>
    generateKeyPairSync('rsa', { modulusLength }).privateKey
  const cases = [
    [ec('secp521r1'), undefined],
    [generateKeyPairSync('ed25519').privateKey, undefined],
    [rsa(1024), /RSA keys of 2048 bits or more, not 1024/],
    [ec('secp256k1'), /no EC key on secp256k1/],
    [generateKeyPairSync('ed448').privateKey, /no key of type ed448/],
  ] as const
  for (const [privateKey, fault] of cases) {
    const key = pairOf(privateKey)
    const odd = await makeLeaf({ by: root, key })
    const found = faults([odd], key.pkcs8)
    if (fault === undefined) assert.deepEqual(found, [])
    else assert.match(found.join(), fault)
  }
})

test('envoyFaults: what is not a certificate is a fault, not an exception', () => {
  const chain = [leaf.der, Buffer.from('garbage')]
  const [fault = ''] = envoyFaults({ chain, pkcs8: leaf.key.pkcs8 }, NOW)
  assert.match(fault, /^certificate 2: not a certificate/)
})
