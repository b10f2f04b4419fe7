/** Rules of verifying JWT-SVIDs (spiffe-conformance, part 6) beyond their vectors. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JWT_ALGORITHMS } from '../../src/spiffe/jwt-svid.ts'
import { createTokenKey, signatureOf, tokenOf } from '../fakes/token.ts'
import { bundleOf, claims, header, key, refused, signed, verify } from './jwt-svid-token.ts'

test('JV-5 a key of another use, of another algorithm or of another kind does not verify', async () => {
  const rsa = createTokenKey('RS256')
  for (const jwk of [
    { ...key.jwk, use: 'sig' },
    { ...key.jwk, use: 'x509-svid' },
    { ...key.jwk, use: 'wit-svid' },
    { ...key.jwk, use: undefined },
    { ...key.jwk, alg: 'ES384' },
    createTokenKey('ES384').jwk,
    rsa.jwk,
    { use: 'jwt-svid', kid: 'k1', kty: 'oct', k: 'c2VjcmV0' },
  ])
    await refused(signed({}), /JV-5/, new Map([bundleOf('example.org', jwk)]))
  await refused(signed({}), /JV-5/, new Map([bundleOf('example.org')]))
  await refused(signed({}), /JV-5, JV-6/, new Map())
})

test('JV-1 the allowed algorithms are nine', () => {
  const allowed = 'ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512'
  assert.equal(JWT_ALGORITHMS.toSorted().join(' '), allowed)
})

test('JV-7 a sub that is no SPIFFE ID of a workload is refused', async () => {
  for (const sub of [undefined, null, 7, '', 'a', 'https://example.org/a', 'spiffe://example.org'])
    await refused(signed({ claims: { sub } }), /JV-7/)
})

test('JV-10 a key that the token brings along, or points to, is not looked at', async () => {
  const thief = createTokenKey()
  for (const more of [
    { jwk: thief.jwk },
    { x5c: ['MIIB'] },
    { jku: 'https://127.0.0.1:1/keys' },
    { x5u: 'https://127.0.0.1:1/certificate' },
  ]) {
    await refused(tokenOf(thief, { ...header, ...more }, claims), /JV-4/)
    await verify(signed({ header: more }))
  }
})

test('JV-4 every byte of a token is signed', async () => {
  const token = signed({})
  for (let at = 0; at < token.length; at++) {
    const other = token[at] === 'A' ? 'B' : 'A'
    await assert.rejects(verify(token.slice(0, at) + other + token.slice(at + 1)), {
      code: 'jwt_svid_invalid',
    })
  }
})

for (const algorithm of JWT_ALGORITHMS)
  test(`JV-1 ${algorithm} is verified`, async () => {
    const its = createTokenKey(algorithm)
    const bundles = new Map([bundleOf('example.org', its.jwk)])
    const head = { ...header, alg: algorithm }
    await verify(tokenOf(its, head, claims), bundles)
    const [input = '', ...rest] = tokenOf(its, head, { ...claims, aud: 'b' }).split('.')
    const changed = [input, Buffer.from(JSON.stringify(claims)).toString('base64url'), rest[1]]
    await refused(changed.join('.'), /JV-4/, bundles)
    assert.notEqual(signatureOf(its, 'a'), signatureOf(its, 'b'))
  })
