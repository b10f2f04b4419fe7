import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import {
  parseBundle,
  parseBundleMap,
  serializeBundle,
  type ParsedBundle,
} from '../../src/spiffe/bundle.ts'
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { certificateFor, ecPublicKey } from '../unit/spiffe/certificate-der.ts'

const trustDomain = parseTrustDomain('example.org')
const publicKey = ecPublicKey('prime256v1')
const key = publicKey.export({ format: 'jwk' })
const goodJwt = { use: 'jwt-svid', kid: 'k1', ...key }
const certificate = certificateFor(publicKey)
const x5c = (der: Uint8Array): string => Buffer.from(der).toString('base64')
const goodX509 = { use: 'x509-svid', ...key, x5c: [x5c(certificate)] }

const parse = (document: object): ParsedBundle => parseBundle(trustDomain, JSON.stringify(document))

/** The odd JWK is passed over with one line, and the good keys after it are kept. */
function assertPassedOver(jwk: object, reason: RegExp): void {
  const { bundle, ignored } = parse({ keys: [jwk, goodJwt, goodX509] })
  assert.deepEqual(bundle.jwtAuthorities, [goodJwt])
  assert.deepEqual(bundle.x509Authorities.map(x5c), [x5c(certificate)])
  assert.equal(ignored.length, 1)
  assert.match(ignored[0] ?? '', reason)
}

test('T-BF-1 a bundle without keys is valid and trusts nobody', () => {
  const { bundle, ignored } = parse({ keys: [] })
  assert.deepEqual(bundle, { trustDomain, x509Authorities: [], jwtAuthorities: [] })
  assert.deepEqual(ignored, [])
})

test('T-BF-2 a bundle without a list of keys is refused', () => {
  for (const document of [{}, { keys: null }, { keys: {} }, { keys: 'x' }, []]) {
    assert.throws(() => parse(document), {
      code: 'bundle_invalid',
      message: /^bundle of example\.org: /,
    })
  }
})

test('T-BF-3 a key of unknown kty is passed over alone', () => {
  assertPassedOver({ ...goodJwt, kty: 'AKP', kid: 'k0' }, /^keys\[0\] has the kty "AKP"/)
  assertPassedOver({ use: 'x509-svid', x5c: goodX509.x5c }, /^keys\[0\] has no kty/)
})

test('T-BF-4 a key of missing, unknown or differently written use is passed over alone', () => {
  assertPassedOver({ ...key, kid: 'k0' }, /has no use/)
  assertPassedOver({ ...key, kid: 'k0', use: 'future-svid' }, /use "future-svid"/)
  assertPassedOver({ ...key, kid: 'k0', use: 'JWT-SVID' }, /use "JWT-SVID"/)
  assertPassedOver({ ...key, kid: 'k0', use: 'wit-svid' }, /use "wit-svid"/)
})

test('T-BF-5 an X.509 key without certificate is passed over alone', () => {
  assertPassedOver({ use: 'x509-svid', ...key }, /no certificate in x5c/)
  assertPassedOver({ use: 'x509-svid', ...key, x5c: [] }, /no certificate in x5c/)
})

test('T-BF-6 of several certificates in one x5c the first is used', () => {
  const other = certificateFor(ecPublicKey('prime256v1'))
  const { bundle, ignored } = parse({
    keys: [{ ...goodX509, x5c: [x5c(certificate), x5c(other)] }],
  })
  assert.deepEqual(bundle.x509Authorities.map(x5c), [x5c(certificate)])
  assert.match(ignored.join(), /^keys\[0\] has more than one certificate/)
})

test('T-BF-7 an X.509 key with a kid is read, and never written with one', () => {
  const { bundle, ignored } = parse({ keys: [{ ...goodX509, kid: 'k1' }] })
  assert.deepEqual(bundle.x509Authorities.map(x5c), [x5c(certificate)])
  assert.deepEqual(ignored, [])
  assert.deepEqual(JSON.parse(serializeBundle(bundle)), { keys: [goodX509] })
})

test('T-BF-8 a JWT key without kid is passed over', () => {
  assertPassedOver({ use: 'jwt-svid', ...key }, /has no kid/)
  assertPassedOver({ ...goodJwt, kid: '' }, /has no kid/)
})

test('T-BF-9 a sequence beyond 2^53 is exact when read and when written', () => {
  const { bundle } = parseBundle(trustDomain, '{"keys":[],"spiffe_sequence":9007199254740993}')
  assert.equal(bundle.sequence, 9007199254740993n)
  assert.match(serializeBundle(bundle), /"spiffe_sequence": 9007199254740993\n/)
})

test('T-BF-10 a refresh hint that is no whole number of seconds is passed over', () => {
  for (const hint of ['1.5', '"300"', '300.0', '0', '-5', 'null', '1'.repeat(390)]) {
    const text = `{"keys":[],"spiffe_refresh_hint":${hint}}`
    const { bundle, ignored } = parseBundle(trustDomain, text)
    assert.equal('refreshHintSeconds' in bundle, false, hint)
    assert.match(ignored.join(), /^spiffe_refresh_hint /)
  }
  assert.equal(parse({ keys: [], spiffe_refresh_hint: 300 }).bundle.refreshHintSeconds, 300)
})

test('T-BF-11 a map that names a trust domain twice is refused', () => {
  const twice = '{"trust_domains":{"example.com":{"keys":[]},\n"example.com":{"keys":[]}}}'
  assert.throws(() => parseBundleMap(twice), {
    code: 'bundle_invalid',
    message: 'bundle map: line 2, column 1: the name "example.com" appears twice in one object',
  })
})
