import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import type { KeyPair } from '../certs/keys.ts'
import { SpindleError } from '../runtime/errors.ts'
import { algorithmOfKey, type JwtAlgorithm } from '../spiffe/jwt-svid.ts'

/** A JWK of a bundle: public members, `use: jwt-svid` and `kid` (JI-13). */
export type JwtAuthorityJwk = Readonly<Record<string, string>>

/** The public half of a key that signs JWT-SVIDs. */
export interface JwtVerificationKey {
  /** RFC 7638 thumbprint: it is the same wherever the key is. */
  readonly keyId: string
  readonly algorithm: JwtAlgorithm
  readonly jwk: JwtAuthorityJwk
  readonly publicKey: KeyObject
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Buffer
}

export interface JwtSigningKey extends JwtVerificationKey {
  readonly key: KeyPair
}

/** @throws SpindleError `certificate_invalid` for a key that may sign no JWT-SVID. */
export function jwtSigningKey(key: KeyPair, place: string): JwtSigningKey {
  return { ...jwtVerificationKey(key.spki, place), key }
}

/** @throws SpindleError `certificate_invalid` for a key that may verify no JWT-SVID of ours. */
export function jwtVerificationKey(spki: Buffer, place: string): JwtVerificationKey {
  const publicKey = readPublicKey(spki, place)
  const members = publicKey.export({ format: 'jwk' }) as Record<string, string>
  const algorithm = algorithmOfKey(members)
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? MIN_RSA_BITS
  if (algorithm === undefined || bits < MIN_RSA_BITS) {
    throw invalid(place, 'no key that signs JWT-SVIDs (EC P-256, P-384, P-521 or RSA from 2048)')
  }
  const keyId = thumbprint(members)
  const jwk = { use: 'jwt-svid', kid: keyId, alg: algorithm, ...members }
  return { keyId, algorithm, jwk, publicKey, spki }
}

const MIN_RSA_BITS = 2048

function readPublicKey(spki: Buffer, place: string): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch {
    throw invalid(place, 'no public key')
  }
}

/** RFC 7638 3: the required members alone, by name, without space. */
function thumbprint(jwk: Record<string, string>): string {
  const names = jwk['kty'] === 'EC' ? ['crv', 'kty', 'x', 'y'] : ['e', 'kty', 'n']
  const members = Object.fromEntries(names.map((name) => [name, jwk[name]]))
  return hash('sha256', JSON.stringify(members), 'base64url')
}

const invalid = (place: string, fault: string): SpindleError =>
  new SpindleError('certificate_invalid', `${place}: ${fault}`)
