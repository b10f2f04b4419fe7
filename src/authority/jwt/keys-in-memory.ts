import { generateKey, type KeyType } from '../../certs/keys.ts'
import { jwtSigningKey } from '../../jwt/keys.ts'
import { signJwtSvid } from '../../jwt/sign.ts'
import type { Clock } from '../../runtime/clock.ts'
import { createFeed } from '../../runtime/feed.ts'
import type { JwtAuthority, JwtAuthorityState } from './jwt-authority.ts'

/** One key for the life of the process. */
export async function createJwtAuthority(options: {
  readonly keyType: KeyType
  readonly keyTtlMs: number
  readonly clock: Clock
}): Promise<JwtAuthority> {
  const { clock, keyTtlMs } = options
  const key = jwtSigningKey(await generateKey(options.keyType), 'the JWT key')
  const notBefore = clock.now()
  const notAfter = notBefore + keyTtlMs
  const authorityId = key.keyId
  const state = createFeed<JwtAuthorityState>({
    keys: [key.jwk],
    slots: [{ authorityId, status: 'active', notBefore, notAfter }],
  })
  return {
    state,
    async issue({ spiffeId, audience, ttlMs }) {
      const issuedAt = Math.floor(clock.now() / 1000) * 1000
      const expiresAt = Math.floor((clock.now() + ttlMs) / 1000) * 1000
      const token = await signJwtSvid(key, { spiffeId, audience, issuedAt, expiresAt })
      return { token, issuedAt, expiresAt, authorityId }
    },
    prepare: async () => {},
    activate: async () => {},
    close: async () => {},
  }
}
