import { createPublicKey, type KeyObject } from 'node:crypto'
import { SpindleError } from '../runtime/errors.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { checkJwtSvid, mayVerify, readJwtSvid } from '../spiffe/jwt-svid.ts'
import type { JwtClaims, JwtSvid } from '../spiffe/jwt-svid.ts'
import { trustDomainOf, type SpiffeId, type TrustDomain } from '../spiffe/spiffe-id.ts'
import { jose } from './jose.ts'

export interface VerifiedJwtSvid {
  readonly spiffeId: SpiffeId
  readonly claims: JwtClaims
}

export interface JwtVerifier {
  /**
   * Validates a JWT-SVID (JV-1 … JV-11) against the keys of the trust domain of its `sub`, never against those of
   * another, nor any that the token brings along. `now`: ms since the epoch.
   * @throws SpindleError `jwt_svid_invalid`
   */
  verify(
    token: string,
    options: {
      readonly audience: string
      readonly bundles: ReadonlyMap<TrustDomain, Bundle>
      readonly now: number
    },
  ): Promise<VerifiedJwtSvid>
}

type Jwk = Readonly<Record<string, unknown>>

/** Keeps the keys it has read, for as long as the bundle they are of. */
export function createJwtVerifier(): JwtVerifier {
  const keys = new WeakMap<Jwk, KeyObject>()
  const keyOf = (jwk: Jwk): KeyObject => {
    const known = keys.get(jwk)
    if (known !== undefined) return known
    const key = publicKeyOf(jwk)
    keys.set(jwk, key)
    return key
  }
  return {
    async verify(token, { audience, bundles, now }) {
      const svid = readJwtSvid(token)
      checkJwtSvid(svid, { audience, now })
      const jwk = authorityOf(svid, bundles)
      const { compactVerify } = await jose()
      try {
        await compactVerify(token, keyOf(jwk), { algorithms: [svid.algorithm] })
      } catch {
        throw invalid('JV-4: its signature does not verify')
      }
      return { spiffeId: svid.spiffeId, claims: svid.claims }
    },
  }
}

/** The key a token names among those of its own trust domain (JV-5, JV-6). */
function authorityOf(svid: JwtSvid, bundles: ReadonlyMap<TrustDomain, Bundle>): Jwk {
  const trustDomain = trustDomainOf(svid.spiffeId)
  const authorities = bundles.get(trustDomain)?.jwtAuthorities ?? []
  const jwk = authorities.find((each) => each['kid'] === svid.keyId)
  if (jwk === undefined) {
    throw invalid(`JV-5, JV-6: its key is not one of those known of ${trustDomain}`)
  }
  if (!mayVerify(jwk, svid.algorithm)) {
    throw invalid(`JV-5: its key is not one for JWT-SVIDs with ${svid.algorithm}`)
  }
  return jwk
}

/** @throws where it is none; bundles are read strictly, so that is a token that does not verify and no more. */
function publicKeyOf(jwk: Jwk): KeyObject {
  // jose refuses a `use` it does not know, so what is SPIFFE's stays outside.
  const { use: _use, kid: _kid, alg: _alg, ...members } = jwk
  return createPublicKey({ key: members, format: 'jwk' })
}

const invalid = (fault: string): SpindleError =>
  new SpindleError('jwt_svid_invalid', `JWT-SVID: ${fault}`)
