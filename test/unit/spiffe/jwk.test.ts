import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { createPublicKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { codeOf } from '../../../src/runtime/errors.ts'
import { publicJwk } from '../../../src/spiffe/jwk.ts'
import { certificateFor, der, ecPublicKey } from './certificate-der.ts'

const keys: readonly (readonly [name: string, key: () => KeyObject])[] = [
  ['EC P-256', () => ecPublicKey('prime256v1')],
  ['EC P-384', () => ecPublicKey('secp384r1')],
  ['EC P-521', () => ecPublicKey('secp521r1')],
  ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey],
  ['Ed25519', () => generateKeyPairSync('ed25519').publicKey],
]

for (const [name, makeKey] of keys) {
  test(`publicJwk says of an ${name} certificate what node:crypto says`, () => {
    const certificate = certificateFor(makeKey())
    const expected = new X509Certificate(certificate).publicKey.export({ format: 'jwk' })
    assert.deepEqual(publicJwk(certificate), expected)
  })
}

test('publicJwk keeps the leading zeros of a coordinate', () => {
  // One point in 256 has an x that begins with a zero byte; the bound is far beyond bad luck.
  for (let attempt = 0; attempt < 20_000; attempt++) {
    const key = ecPublicKey('prime256v1')
    const x = Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
    if (x[0] !== 0) continue
    const jwk = publicJwk(certificateFor(key))
    assert.deepEqual(createPublicKey({ key: { ...jwk }, format: 'jwk' }).equals(key), true)
    return
  }
  assert.fail('no such key was made')
})

test('publicJwk reads a certificate of version 1, which states no version', () => {
  const key = ecPublicKey('prime256v1')
  const { kty, crv, x, y } = key.export({ format: 'jwk' })
  assert.deepEqual(publicJwk(certificateFor(key, { version: false })), { kty, crv, x, y })
})

test('publicJwk refuses curves and kinds of key that a bundle cannot say', () => {
  for (const key of [ecPublicKey('secp256k1'), generateKeyPairSync('x25519').publicKey]) {
    assert.throws(() => publicJwk(certificateFor(key)), { code: 'certificate_invalid' })
  }
})

/** A certificate with this SubjectPublicKeyInfo and nothing else in it. */
function certificateWithKey(algorithm: string, bits: Uint8Array): Buffer {
  const info = der(0x30, der(0x30, Buffer.from(algorithm, 'hex')), der(0x03, bits))
  return der(0x30, der(0x30, ...Array.from({ length: 5 }, () => der(0x30)), info))
}

test('publicJwk takes no compressed or hybrid point, no other length and no unused bits', () => {
  const p256 = '06072a8648ce3d020106082a8648ce3d030107'
  const bits = (...bytes: readonly number[]): Buffer =>
    Buffer.concat([Buffer.from(bytes), Buffer.alloc(64, 5)])
  assert.equal(publicJwk(certificateWithKey(p256, bits(0, 4))).kty, 'EC')
  const refused = [bits(0, 6), bits(0, 2).subarray(0, 34), bits(0, 4, 5), bits(1, 4), bits(0)]
  for (const key of refused) {
    assert.throws(() => publicJwk(certificateWithKey(p256, key)), { code: 'certificate_invalid' })
  }
})

test('publicJwk refuses an RSA key whose numbers are negative or missing', () => {
  const minusOne = Buffer.from('0201ff', 'hex')
  const lowest = Buffer.from('020180', 'hex')
  const three = Buffer.from('020103', 'hex')
  for (const numbers of [
    [minusOne, three],
    [lowest, three],
    [three],
    [],
    [Buffer.from('0200', 'hex'), three],
  ]) {
    const bits = Buffer.concat([Buffer.from([0]), der(0x30, ...numbers)])
    const certificate = certificateWithKey('06092a864886f70d0101010500', bits)
    assert.throws(() => publicJwk(certificate), { code: 'certificate_invalid' })
  }
})

test('publicJwk refuses a cut or damaged certificate with its own error and no other', () => {
  const certificate = certificateFor(ecPublicKey('prime256v1'))
  for (let length = 0; length < certificate.length; length++) {
    assert.throws(() => publicJwk(certificate.subarray(0, length)), { code: 'certificate_invalid' })
  }
  for (let at = 0; at < certificate.length; at++) {
    for (const bit of [0x01, 0x80, 0xff]) {
      const damaged = Buffer.from(certificate)
      damaged[at] = (damaged[at] ?? 0) ^ bit
      try {
        publicJwk(damaged)
      } catch (error) {
        assert.equal(codeOf(error), 'certificate_invalid', `byte ${at}`)
      }
    }
  }
})
