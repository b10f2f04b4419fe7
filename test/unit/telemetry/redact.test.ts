import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync, webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { redact } from '../../../src/telemetry/redact.ts'

const REDACTED = '[redacted: private key]'

test('redact() says how many bytes there were, and none of them', () => {
  assert.equal(redact(Buffer.from('abc')), '[3 bytes]')
  assert.equal(redact(new Uint16Array(2)), '[4 bytes]')
  assert.equal(redact(new ArrayBuffer(5)), '[5 bytes]')
  assert.deepEqual(redact({ a: [new Uint8Array(1)] }), { a: ['[1 bytes]'] })
})

test('redact() writes nothing of a key object, public or not', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const usages = ['sign', 'verify'] as const
  const pair = await webcrypto.subtle.generateKey(
    { name: 'ECDSA', namedCurve: 'P-256' },
    true,
    usages,
  )
  for (const key of [privateKey, publicKey, createSecretKey(Buffer.alloc(16)), pair.privateKey])
    assert.equal(redact(key), REDACTED)
})

test('redact() keeps public JWKs, certificates and text', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  assert.deepEqual(redact(jwk), jwk)
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }))
  assert.equal(redact(pem), pem)
  assert.equal(redact('unix:path:/usr/bin/envoy'), 'unix:path:/usr/bin/envoy')
})

test('redact() cuts what is long or deep', () => {
  assert.equal(String(redact('x'.repeat(10_000))).length, 4097)
  assert.equal((redact(Array(1000).fill(1)) as unknown[]).length, 100)
  assert.match(JSON.stringify(redact({ a: { b: { c: { d: { e: { f: { g: 1 } } } } } } })), /\[…\]/)
})
