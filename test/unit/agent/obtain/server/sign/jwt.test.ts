import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkJwt } from '../../../../../../src/agent/obtain/server/sign/jwt.ts'
import { createJwtVerifier } from '../../../../../../src/jwt/verify.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../../../../src/spiffe/spiffe-id.ts'
import { createTokenKey, tokenOf } from '../../../../../fakes/token.ts'

const NOW = 1_900_000_000_000
const seconds = NOW / 1_000
const key = createTokenKey('ES256', 'k1')
const trustDomain = parseTrustDomain('example.org')
const bundle = { trustDomain, x509Authorities: [], jwtAuthorities: [key.jwk] }
const header = { alg: 'ES256', kid: 'k1', typ: 'JWT' }
const claims = {
  sub: 'spiffe://example.org/web',
  aud: ['a', 'b'],
  iat: seconds - 1,
  exp: seconds + 300,
}

const check = (token: string) =>
  checkJwt(token, {
    audience: ['a', 'b'],
    spiffeId: parseSpiffeId('spiffe://example.org/web'),
    bundle,
    verifier: createJwtVerifier(),
    now: NOW,
  })

test('a token that is what was asked for is used, with its key and its life', async () => {
  const token = tokenOf(key, header, claims)
  const { issuedAt, expiresAt, authorityId } = await check(token)
  assert.deepEqual(
    { issuedAt, expiresAt, authorityId },
    { issuedAt: NOW - 1_000, expiresAt: NOW + 300_000, authorityId: 'k1' },
  )
})

const OTHERS: readonly [what: string, token: string, why: RegExp][] = [
  ['for somebody else', tokenOf(key, header, { ...claims, sub: 'spiffe://example.org/b' }), /\/b$/],
  ['for fewer audiences', tokenOf(key, header, { ...claims, aud: ['a'] }), /JV-2/],
  ['that has expired', tokenOf(key, header, { ...claims, exp: seconds - 1 }), /expired/],
  ['by a key the bundle has not', tokenOf(key, { ...header, kid: 'k2' }, claims), /JV-5/],
  ['by another key', tokenOf(createTokenKey('ES256', 'k1'), header, claims), /JV-4/],
  ['that is none', 'x', /JV-4/],
]

for (const [what, token, why] of OTHERS)
  test(`a token ${what} is not used`, async () => {
    await assert.rejects(check(token), { code: 'authority_unavailable', message: why })
  })
