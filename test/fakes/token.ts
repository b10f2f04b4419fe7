/** Tokens made by node:crypto alone, right and wrong ones, so that nothing is tested against itself. */
import { generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** A key that signs with one algorithm, and what a bundle says of it. */
export interface TokenKey {
  readonly algorithm: string
  readonly privateKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

export function createTokenKey(algorithm = 'ES256', kid = 'k1'): TokenKey {
  const curve = CURVES[algorithm]
  const { privateKey, publicKey } =
    curve === undefined
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: curve })
  const jwk = { use: 'jwt-svid', kid, ...publicKey.export({ format: 'jwk' }) }
  return { algorithm, privateKey, jwk }
}

type Part = object | string

/** Header and claims as they are given, texts unchanged; signed as the key signs, whatever the header says. */
export function tokenOf(key: TokenKey, header: Part, claims: Part): string {
  const text = (part: Part): string => (typeof part === 'string' ? part : JSON.stringify(part))
  const input = [header, claims].map((part) => Buffer.from(text(part)).toString('base64url'))
  return [...input, signatureOf(key, input.join('.'))].join('.')
}

export function signatureOf({ algorithm, privateKey }: TokenKey, input: string): string {
  const bits = algorithm.slice(2)
  const how = algorithm.startsWith('PS')
    ? { key: privateKey, padding: 6, saltLength: Number(bits) / 8 }
    : { key: privateKey, dsaEncoding: 'ieee-p1363' as const }
  return sign(`sha${bits}`, Buffer.from(input), how).toString('base64url')
}
