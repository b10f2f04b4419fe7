import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKey } from '../../../src/certs/keys.ts'
import { jwtSigningKey } from '../../../src/jwt/keys.ts'
import { signJwtSvid } from '../../../src/jwt/sign.ts'
import { createJwtVerifier } from '../../../src/jwt/verify.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'

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
