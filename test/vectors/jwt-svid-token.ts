/** A token that is right in everything, to be changed in one thing, and what becomes of it. */
import assert from 'node:assert/strict'
import { createJwtVerifier } from '../../src/jwt/verify.ts'
import type { VerifiedJwtSvid } from '../../src/jwt/verify.ts'
import { SpindleError } from '../../src/runtime/errors.ts'
import type { Bundle } from '../../src/spiffe/bundle.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../fakes/clock.ts'
import { createTokenKey, tokenOf } from '../fakes/token.ts'

export const spiffeId = parseSpiffeId('spiffe://example.org/a')
export const clock = createManualClock()
const now = clock.now()
export const seconds = now / 1000
export const key = createTokenKey()
export const header = { alg: 'ES256', kid: 'k1', typ: 'JWT' }
export const claims = { sub: spiffeId, aud: ['a'], exp: seconds + 300 }
/** As `new Map` takes it. */
export const bundleOf = (name: string, ...jwtAuthorities: Bundle['jwtAuthorities']) =>
  [
    parseTrustDomain(name),
    { trustDomain: parseTrustDomain(name), x509Authorities: [], jwtAuthorities },
  ] as const
const own: ReadonlyMap<TrustDomain, Bundle> = new Map([bundleOf('example.org', key.jwk)])
const verifier = createJwtVerifier()

export const verify = (token: string, bundles = own): Promise<VerifiedJwtSvid> =>
  verifier.verify(token, { audience: 'a', bundles, now })
/** `header` and `claims` but for what is given; undefined leaves out. */
export const signed = (more: { header?: object; claims?: object }): string =>
  tokenOf(key, { ...header, ...more.header }, { ...claims, ...more.claims })
/** Refused by the rule, in words that do not hold the token. */
export const refused = (token: string, rule: RegExp, bundles = own): Promise<void> =>
  assert.rejects(verify(token, bundles), (thrown) => {
    assert(thrown instanceof SpindleError && thrown.code === 'jwt_svid_invalid', String(thrown))
    assert.match(thrown.message, rule)
    for (const part of token.split('.'))
      assert.ok(part.length < 12 || !thrown.message.includes(part), 'no token in a message')
    return true
  })
