import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKey } from '../../../src/certs/keys.ts'
import { jwtSigningKey } from '../../../src/jwt/keys.ts'
import { signJwtSvid } from '../../../src/jwt/sign.ts'
import { createJwtVerifier } from '../../../src/jwt/verify.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'

import { createTokenKey, tokenOf } from '../../fakes/token.ts'

const trustDomain = parseTrustDomain('example.org')
const spiffeId = parseSpiffeId('spiffe://example.org/web')
const now = Date.UTC(2030, 0, 1)

for (const keyType of ['ec-p256', 'ec-p384', 'rsa-2048'] as const) {
  test(`JwtVerifier: what signJwtSvid signs with ${keyType} is what it says`, async () => {
    const key = jwtSigningKey(await generateKey(keyType), 'key')
    const audience = ['reports', 'billing']
    const token = await signJwtSvid(key, {
      spiffeId,
      audience,
      issuedAt: now,
      expiresAt: now + 300_000,
    })
    const jwtAuthorities = [key.jwk]
    const bundles = new Map([[trustDomain, { trustDomain, x509Authorities: [], jwtAuthorities }]])
    const verified = await createJwtVerifier().verify(token, { audience: 'billing', bundles, now })
    const iat = now / 1000
    assert.deepEqual(verified, {
      spiffeId,
      claims: { sub: spiffeId, aud: audience, exp: iat + 300, iat },
    })
  })
}

test('JwtVerifier: a key is read once for each JWK, and not what it was before where a bundle has another', async () => {
  const [one, other] = [createTokenKey(), createTokenKey()]
  const verifier = createJwtVerifier()
  const claims = { sub: spiffeId, aud: 'a', exp: now / 1000 + 300 }
  const token = tokenOf(one, { alg: 'ES256', kid: 'k1' }, claims)
  const verify = (...jwtAuthorities: Readonly<Record<string, unknown>>[]) => {
    const bundle = { trustDomain, x509Authorities: [], jwtAuthorities }
    return verifier.verify(token, { audience: 'a', bundles: new Map([[trustDomain, bundle]]), now })
  }
  let reads = 0
  const watched = new Proxy(one.jwk, {
    get(jwk, name: string) {
      if (name === 'x') reads++
      return jwk[name]
    },
  })
  for (let each = 0; each < 3; each++) await verify(watched)
  assert.equal(reads, 1)
  await assert.rejects(verify(other.jwk), { code: 'jwt_svid_invalid' })
  await verify(watched)
})

test('JwtVerifier: a key that cannot be read makes a token that does not verify, and no fault', async () => {
  const key = createTokenKey()
  const token = tokenOf(
    key,
    { alg: 'ES256', kid: 'k1' },
    { sub: spiffeId, aud: 'a', exp: now / 1000 + 300 },
  )
  for (const jwk of [
    { ...key.jwk, x: 'AAAA' },
    { ...key.jwk, x: 7, y: undefined },
  ]) {
    const bundle = { trustDomain, x509Authorities: [], jwtAuthorities: [jwk] }
    const bundles = new Map([[trustDomain, bundle]])
    await assert.rejects(createJwtVerifier().verify(token, { audience: 'a', bundles, now }), {
      code: 'jwt_svid_invalid',
    })
  }
})
