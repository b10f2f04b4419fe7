import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import { generateKey } from '../../../src/certs/keys.ts'
import { jwtSigningKey, jwtVerificationKey } from '../../../src/jwt/keys.ts'
import { readBundleKey } from '../../../src/spiffe/bundle-key.ts'

for (const keyType of ['ec-p256', 'ec-p384', 'rsa-2048'] as const) {
  test(`jwtSigningKey: a key of ${keyType} has RFC 7638's thumbprint for its kid, and a JWK that readers of bundles take`, async () => {
    const key = await generateKey(keyType)
    const { keyId, jwk } = jwtSigningKey(key, 'key')
    assert.equal(keyId, await calculateJwkThumbprint({ ...jwk }))
    assert.equal(jwk['kid'], keyId)
    const read = readBundleKey(new Map(Object.entries(jwk)))
    assert.deepEqual(read, { kind: 'jwt', jwk })
    const secret = createPrivateKey(key.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const { d } = secret.export({ format: 'jwk' })
    assert.ok(!JSON.stringify(jwk).includes(d ?? ''), 'nothing of its private half')
    assert.deepEqual(jwtVerificationKey(key.spki, 'key').jwk, jwk)
  })
}

test('jwtVerificationKey refuses what is no key, and keys that sign no JWT-SVID, naming the place', () => {
  const spki = (publicKey: { export(options: object): unknown }) =>
    publicKey.export({ type: 'spki', format: 'der' }) as Buffer
  for (const der of [
    Buffer.from('no key'),
    spki(generateKeyPairSync('ed25519').publicKey),
    spki(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
    spki(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
  ])
    assert.throws(() => jwtVerificationKey(der, 'slots[0].spki'), {
      code: 'certificate_invalid',
      message: /^slots\[0\]\.spki: /,
    })
})
