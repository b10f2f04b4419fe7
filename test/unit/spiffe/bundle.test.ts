// BF-2, BF-9, BM-1, BM-4 of docs/conformance.md.
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import {
  parseBundle,
  parseBundleMap,
  serializeBundle,
  type Bundle,
} from '../../../src/spiffe/bundle.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { certificateFor, ecPublicKey } from './certificate-der.ts'

const trustDomain = parseTrustDomain('example.org')
const [first, second] = [ecPublicKey('prime256v1'), ecPublicKey('secp384r1')]
const [firstCertificate, secondCertificate] = [certificateFor(first), certificateFor(second)]
const jwt = { use: 'jwt-svid', kid: 'k1', ...first.export({ format: 'jwk' }) }
const x509 = (der: Uint8Array): object => ({
  use: 'x509-svid',
  kty: 'EC',
  x5c: [Buffer.from(der).toString('base64')],
})
const full: Bundle = {
  trustDomain,
  x509Authorities: [firstCertificate, secondCertificate],
  jwtAuthorities: [jwt],
  sequence: 18446744073709551616n,
  refreshHintSeconds: 300,
}

test('serializeBundle writes what parseBundle reads back, whole', () => {
  const { bundle, ignored } = parseBundle(trustDomain, serializeBundle(full))
  assert.deepEqual(bundle, full)
  assert.deepEqual(ignored, [])
})

test('serializeBundle and parseBundle take the smallest sequence and refresh hint', () => {
  const least = { ...full, sequence: 0n, refreshHintSeconds: 1 }
  assert.deepEqual(parseBundle(trustDomain, serializeBundle(least)).bundle, least)
})

test('serializeBundle writes complete JWKs, and one newline at the end', () => {
  const text = serializeBundle({
    trustDomain,
    x509Authorities: [secondCertificate],
    jwtAuthorities: [],
  })
  const jwk = { use: 'x509-svid', ...second.export({ format: 'jwk' }) }
  const x5c = [secondCertificate.toString('base64')]
  assert.deepEqual(JSON.parse(text), { keys: [{ ...jwk, x5c }] })
  assert.match(text, /[^\n]\n$/)
})

test('serializeBundle never writes a private member', () => {
  const text = serializeBundle({
    ...full,
    jwtAuthorities: [{ ...jwt, d: 'c2VjcmV0', p: 'c2VjcmV0' }],
  })
  assert.doesNotMatch(text, /c2VjcmV0/)
  assert.match(text, /"kid": "k1"/)
})

test('serializeBundle refuses what nobody could read back', () => {
  const faults: readonly (readonly [change: Partial<Bundle>, message: RegExp])[] = [
    [{ x509Authorities: [firstCertificate, Buffer.from([1])] }, /x509Authorities\[1\]: .*DER/],
    [{ jwtAuthorities: [{ ...jwt, kid: '' }] }, /jwtAuthorities\[0\]: has no kid/],
    [{ jwtAuthorities: [{ ...jwt, use: 'x509-svid' }] }, /jwtAuthorities\[0\]/],
    [{ sequence: -1n }, /sequence must not be negative/],
    [{ refreshHintSeconds: 0.5 }, /refreshHintSeconds must be/],
    [{ refreshHintSeconds: 0 }, /refreshHintSeconds must be/],
  ]
  for (const [change, message] of faults) {
    assert.throws(() => serializeBundle({ ...full, ...change }), {
      code: 'bundle_invalid',
      message,
    })
  }
})

test('parseBundle gives one authority for a certificate or a kid that is there twice', () => {
  const other = { ...jwt, ...second.export({ format: 'jwk' }) }
  const keys = [x509(firstCertificate), jwt, x509(firstCertificate), other]
  const { bundle, ignored } = parseBundle(trustDomain, JSON.stringify({ keys }))
  assert.equal(bundle.x509Authorities.length, 1)
  assert.deepEqual(bundle.jwtAuthorities, [jwt])
  assert.deepEqual(ignored, [
    'keys[2] repeats the certificate of an earlier key',
    'keys[3] repeats the kid of an earlier key',
  ])
})

test('parseBundle passes over a sequence that is no whole number, and parameters it does not know', () => {
  for (const sequence of ['1.5', '"7"', '-1', 'null']) {
    const text = `{"keys":[],"spiffe_sequence":${sequence},"later":{"a":[1]}}`
    const { bundle, ignored } = parseBundle(trustDomain, text)
    assert.equal('sequence' in bundle, false)
    assert.deepEqual(ignored, ['spiffe_sequence is not a whole number'])
  }
})

test('parseBundle refuses a key that is no object, a mark at the start, a name twice and 4 MiB and more', () => {
  const texts: readonly (readonly [text: string, message: RegExp])[] = [
    ['{"keys":[{},1]}', /keys\[1\] must be an object/],
    ['\uFEFF{"keys":[]}', /byte order mark/],
    ['{"keys":[],"keys":[]}', /line 1, column 12: the name "keys" appears twice/],
    [`{"keys":[]}${' '.repeat(4 * 1024 * 1024)}`, /longer than/],
    ['[]', /must be an object/],
    ['', /line 1, column 1/],
  ]
  for (const [text, message] of texts) {
    assert.throws(() => parseBundle(trustDomain, text), { code: 'bundle_invalid', message })
  }
})

test('parseBundleMap reads each trust domain by its name', () => {
  const text = JSON.stringify({
    trust_domains: { 'example.org': { keys: [jwt] }, 'partner.test': { keys: [{ kty: 'EC' }] } },
  })
  const bundles = parseBundleMap(text)
  assert.deepEqual(Array.from(bundles.keys()), ['example.org', 'partner.test'])
  assert.deepEqual(bundles.get(trustDomain)?.bundle.jwtAuthorities, [jwt])
  assert.deepEqual(bundles.get(parseTrustDomain('partner.test'))?.ignored, ['keys[0] has no use'])
  assert.equal(parseBundleMap('{"trust_domains":{}}').size, 0)
})

test('parseBundleMap refuses the whole map for one fault, naming it', () => {
  const texts: readonly (readonly [text: string, message: RegExp])[] = [
    ['{}', /trust_domains must be an object/],
    ['[]', /trust_domains must be an object/],
    ['{"trust_domains":[]}', /trust_domains must be an object/],
    ['{"trust_domains":{"spiffe://a.b":{"keys":[]}}}', /"spiffe:\/\/a\.b" has ":"/],
    ['{"trust_domains":{"a.b":{"keys":[]},"c.d":{}}}', /trust_domains\["c\.d"\]: keys must be/],
  ]
  for (const [text, message] of texts) {
    assert.throws(() => parseBundleMap(text), { code: 'bundle_invalid', message })
  }
})
