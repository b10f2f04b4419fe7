import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { readBundleKey, type BundleKey } from '../../../src/spiffe/bundle-key.ts'
import type { JsonValue } from '../../../src/spiffe/json.ts'
import { certificateFor, ecPublicKey } from './certificate-der.ts'

const publicKey = ecPublicKey('prime256v1')
const { kty, crv, x, y } = publicKey.export({ format: 'jwk' }) as Record<string, string>
const ec = { use: 'jwt-svid', kid: 'k1', kty, crv, x, y }
const read = (jwk: object): BundleKey =>
  readBundleKey(new Map(Object.entries(jwk) as [string, JsonValue][]))

function assertIgnored(jwk: object, note: RegExp): void {
  const key = read(jwk)
  assert.equal(key.kind, 'ignored')
  assert.match(key.note ?? '', note)
}

test('readBundleKey takes only standard base64 of one DER sequence for a certificate', () => {
  const certificate = certificateFor(publicKey)
  const withX5c = (value: unknown): object => ({ use: 'x509-svid', kty: 'EC', x5c: [value] })
  const base64 = certificate.toString('base64')
  assert.deepEqual(read(withX5c(base64)), { kind: 'x509', certificate })
  const notBase64 = [
    `${base64}\n`,
    ` ${base64}`,
    base64.replace(/=*$/, '') + '====',
    Buffer.from('0\u0003\u0001?~>', 'latin1').toString('base64url'),
    7n,
    null,
  ]
  for (const value of notBase64) assertIgnored(withX5c(value), /not standard base64/)
  const notDer = [
    Buffer.alloc(0),
    Buffer.from('-----BEGIN'),
    certificate.subarray(1),
    certificate.subarray(0, -1),
    Buffer.concat([certificate, certificate]),
  ]
  for (const bytes of notDer) assertIgnored(withX5c(bytes.toString('base64')), /not one DER/)
})

test('readBundleKey passes over an x5c that is no list', () => {
  assertIgnored({ use: 'x509-svid', kty: 'EC', x5c: 'MAA=' }, /no certificate in x5c/)
})

test('readBundleKey keeps of a JWT key what verifying needs', () => {
  const odd = { ...ec, alg: 'ES256', x5u: 'http://elsewhere.test', key_ops: ['verify'] }
  assert.deepEqual(read(odd), { kind: 'jwt', jwk: { ...ec, alg: 'ES256' } })
})

test('readBundleKey drops a private half and says so', () => {
  const key = read({ ...ec, d: 'c2VjcmV0' })
  assert.equal(key.kind, 'jwt')
  assert.deepEqual(key.jwk, ec)
  assert.match(key.note ?? '', /private key/)
  assert.doesNotMatch(JSON.stringify(key), /c2VjcmV0/)
})

test('readBundleKey passes over EC keys of another curve or size', () => {
  assertIgnored({ ...ec, crv: 'secp256k1' }, /crv/)
  assertIgnored({ ...ec, crv: 'P-384' }, /48 bytes/)
  assertIgnored({ ...ec, y: undefined }, /32 bytes/)
  assertIgnored({ ...ec, x: `${x}=` }, /32 bytes/)
  assertIgnored({ ...ec, x: 5n }, /32 bytes/)
})

test('readBundleKey takes each curve that a JWT-SVID can be signed on', () => {
  for (const curve of ['prime256v1', 'secp384r1', 'secp521r1']) {
    const jwk = { use: 'jwt-svid', kid: 'k', ...ecPublicKey(curve).export({ format: 'jwk' }) }
    assert.deepEqual(read(jwk), { kind: 'jwt', jwk })
  }
})

test('readBundleKey takes RSA keys from 2048 bits', () => {
  const rsa = (bits: number): object => ({
    use: 'jwt-svid',
    kid: 'r',
    ...generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' }),
  })
  const large = rsa(2048)
  assert.deepEqual(read(large), { kind: 'jwt', jwk: large })
  assertIgnored(rsa(2040), /shorter than 2048/)
  const modulus = (top: number): object => {
    const n = Buffer.alloc(256, 1).fill(top, 0, 1).toString('base64url')
    return { ...large, n }
  }
  assertIgnored(modulus(0x7f), /shorter than 2048/)
  assert.equal(read(modulus(0x80)).kind, 'jwt')
  assertIgnored({ ...large, e: '' }, /no n and e/)
  assertIgnored({ ...large, n: undefined }, /no n and e/)
})

test('readBundleKey takes no EdDSA and no symmetric key for JWT-SVIDs, whose algorithms have neither', () => {
  assertIgnored({ use: 'jwt-svid', kid: 'k', kty: 'OKP', crv: 'Ed25519', x }, /kty "OKP"/)
  assertIgnored({ use: 'jwt-svid', kid: 'k', kty: 'oct', k: 'AAAA' }, /kty "oct"/)
})
