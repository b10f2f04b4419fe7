import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKey } from '../../../src/certs/keys.ts'
import { jwtSigningKey } from '../../../src/jwt/keys.ts'
import { signJwtSvid } from '../../../src/jwt/sign.ts'
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts'

const spiffeId = parseSpiffeId('spiffe://example.org/web')
const content = { spiffeId, audience: ['reports'], issuedAt: 1_000, expiresAt: 301_000 }

test('signJwtSvid gives out no token that its own key does not verify', async () => {
  const [one, other] = [await generateKey('ec-p256'), await generateKey('ec-p256')]
  const { publicKey } = jwtSigningKey(other, 'other')
  const broken = { ...jwtSigningKey(one, 'one'), publicKey }
  await assert.rejects(signJwtSvid(broken, content), { code: 'internal', message: /nothing was/ })
})

test('signJwtSvid refuses an ID that is no workload, and no audience', async () => {
  const key = jwtSigningKey(await generateKey('ec-p256'), 'key')
  const refused = { code: 'request_invalid' }
  await assert.rejects(signJwtSvid(key, { ...content, audience: [] }), refused)
  const domain = parseSpiffeId('spiffe://example.org')
  await assert.rejects(signJwtSvid(key, { ...content, spiffeId: domain }), refused)
})
