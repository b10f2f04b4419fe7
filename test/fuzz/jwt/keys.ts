/** Keys of two trust domains and of an attacker, and tokens signed with them, well or ill. */
import type { KeyObject } from 'node:crypto'
import { constants, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import type { OracleKey } from './oracle.ts'

export const AUDIENCE = 'reports'
export const OWN = 'example.org'
export const OTHER = 'other.org'

export interface Signer {
  readonly kid: string
  readonly algorithms: readonly [string, ...string[]]
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** The text of both first parts of a token, before base64url. */
export interface Texts {
  readonly header: string
  readonly payload: string
}

export const base64url = (text: string | Buffer): string => Buffer.from(text).toString('base64url')

const RSA = ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512'] as const

const ec = (kid: string, namedCurve: string, algorithm: string): Signer => ({
  kid,
  algorithms: [algorithm],
  ...generateKeyPairSync('ec', { namedCurve }),
})

const rsa = (kid: string, modulusLength = 2048, publicExponent = 65_537): Signer => ({
  kid,
  algorithms: RSA,
  ...generateKeyPairSync('rsa', { modulusLength, publicExponent }),
})

const jwkOf = ({ kid, publicKey }: Signer, more: object = {}): OracleKey => ({
  use: 'jwt-svid',
  kid,
  ...(publicKey.export({ format: 'jwk' }) as object),
  ...more,
})

export interface Keys {
  /** When the tokens are made (ms since the epoch). */
  readonly now: number
  /** Those that may sign for OWN. */
  readonly signers: readonly [Signer, ...Signer[]]
  /** Those that may sign for OTHER; the first has the `kid` of one of OWN's. */
  readonly others: readonly [Signer, ...Signer[]]
  /** In the bundle of OWN, and never to be used for a JWT-SVID. */
  readonly unusable: readonly [Signer, ...Signer[]]
  /** In no bundle. */
  readonly attacker: readonly [Signer, ...Signer[]]
  /** What an attacker has of OWN's keys. */
  readonly known: readonly [string | Buffer, ...(string | Buffer)[]]
  /** JWK Sets by trust domain. */
  readonly bundles: ReadonlyMap<string, readonly OracleKey[]>
}

export function createKeys(now: number): Keys {
  const [first, second] = [ec('k1', 'P-256', 'ES256'), ec('k2', 'P-256', 'ES256')]
  const strong = [ec('k3', 'P-384', 'ES384'), ec('k4', 'P-521', 'ES512')]
  const [large, pinned, cube] = [rsa('k5'), rsa('k6'), rsa('k7', 2048, 3)]
  const signers = [first, second, ...strong, large, cube] as const
  const others = [ec('k1', 'P-256', 'ES256'), rsa('o2')] as const
  const ed25519: Signer = {
    kid: 'k8',
    algorithms: ['EdDSA'],
    ...generateKeyPairSync('ed25519'),
  }
  const ofWit = ec('k9', 'P-256', 'ES256')
  // Too small for the larger digests.
  const small: Signer = { ...rsa('k10', 1024), algorithms: ['RS256'] }
  const secret = base64url('a shared secret of some bytes')
  const own: readonly OracleKey[] = [
    ...[first, second, ...strong, large, cube, ed25519, small].map((each) => jwkOf(each)),
    jwkOf(pinned, { alg: 'RS256' }),
    jwkOf(ofWit, { use: 'wit-svid' }),
    { use: 'jwt-svid', kid: 'k11', kty: 'oct', k: secret },
  ]
  const pem = (key: KeyObject): string => String(key.export({ format: 'pem', type: 'spki' }))
  const der = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' })
  return {
    now,
    signers: [...signers, pinned],
    others,
    unusable: [ed25519, ofWit, small],
    attacker: [ec('k1', 'P-256', 'ES256'), rsa('k5')],
    known: [
      '',
      pem(first.publicKey),
      der(first.publicKey),
      pem(large.publicKey),
      der(large.publicKey),
      JSON.stringify(own[0]),
      Buffer.from(String(own[0]?.['x']), 'base64url'),
      Buffer.from(secret, 'base64url'),
    ],
    bundles: new Map([
      [OWN, own],
      [OTHER, others.map((each) => jwkOf(each))],
    ]),
  }
}

const DIGESTS: Readonly<Record<string, string>> = { 256: 'sha256', 384: 'sha384', 512: 'sha512' }

export function signatureOf(algorithm: string, key: KeyObject, signed: string): Buffer {
  const digest = DIGESTS[algorithm.slice(2)] ?? null
  const how = {
    ES: { dsaEncoding: 'ieee-p1363' },
    RS: { padding: constants.RSA_PKCS1_PADDING },
    PS: {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    },
  }[algorithm.slice(0, 2)]
  return sign(digest, Buffer.from(signed), { key, ...(how as object) })
}

export const signedPart = ({ header, payload }: Texts): string =>
  `${base64url(header)}.${base64url(payload)}`

export function compact(texts: Texts, { privateKey }: Signer, algorithm: string): string {
  const signed = signedPart(texts)
  return `${signed}.${base64url(signatureOf(algorithm, privateKey, signed))}`
}

export function compactHmac(texts: Texts, secret: string | Buffer, bits: string): string {
  const signed = signedPart(texts)
  const mac = createHmac(DIGESTS[bits] ?? 'sha256', secret).update(signed)
  return `${signed}.${mac.digest('base64url')}`
}
