import { Buffer } from 'node:buffer'
import { isDerSequence } from './der.ts'
import type { JsonObject } from './json.ts'

/** What one JWK of a bundle gives (Trust_Domain_and_Bundle 4.2): an authority, or the reason it is passed over. */
export type BundleKey =
  | { readonly kind: 'x509'; readonly certificate: Uint8Array; readonly note?: string }
  | { readonly kind: 'jwt'; readonly jwk: JwtAuthority; readonly note?: string }
  | { readonly kind: 'ignored'; readonly note: string }

/** A JWK with `use: jwt-svid`: public members only. */
type JwtAuthority = Readonly<Record<string, string>>

/** Key types by what a JWT-SVID signature can be made with (JWT-SVID 2.1): no EdDSA, nothing symmetric. */
const JWT_KEY_TYPES = ['EC', 'RSA']
const X509_KEY_TYPES = ['EC', 'RSA', 'OKP']
/** Bytes of one coordinate (RFC 7518 6.2.1.2). */
const COORDINATE_BYTES: ReadonlyMap<unknown, number> = new Map([
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
])
/** RFC 7518 3.3: 2048 bits or larger. */
const MIN_RSA_BYTES = 256

/** Reads one JWK. One that is not understood is passed over alone and never harms the others (4.1.3, 4.2.1, 4.2.2). */
export function readBundleKey(jwk: JsonObject): BundleKey {
  const kty = jwk.get('kty')
  const use = jwk.get('use')
  if (typeof kty !== 'string') return ignored('has no kty')
  if (typeof use !== 'string') return ignored('has no use')
  if (use === 'x509-svid') {
    return X509_KEY_TYPES.includes(kty) ? readX509Key(jwk) : ignored(unknownKeyType(kty))
  }
  if (use === 'jwt-svid') {
    return JWT_KEY_TYPES.includes(kty) ? readJwtKey(jwk, kty) : ignored(unknownKeyType(kty))
  }
  return ignored(`has the use ${quote(use)}, which is not one this agent uses`)
}

/** X509-SVID 6.2: only the first certificate counts, and an entry without one is passed over. */
function readX509Key(jwk: JsonObject): BundleKey {
  const chain = jwk.get('x5c')
  if (!Array.isArray(chain) || chain.length === 0) return ignored('has no certificate in x5c')
  const certificate = decodeBase64(chain[0])
  if (certificate === undefined) return ignored('has an x5c that is not standard base64')
  if (!isDerSequence(certificate)) return ignored('has an x5c that is not one DER certificate')
  if (chain.length === 1) return { kind: 'x509', certificate }
  return {
    kind: 'x509',
    certificate,
    note: 'has more than one certificate in x5c: the first is used',
  }
}

function readJwtKey(jwk: JsonObject, kty: string): BundleKey {
  const kid = jwk.get('kid')
  if (typeof kid !== 'string' || kid === '') return ignored('has no kid')
  const fault = kty === 'EC' ? ecFault(jwk) : rsaFault(jwk)
  if (fault !== undefined) return ignored(fault)
  const members: Record<string, string> = { use: 'jwt-svid', kid, kty }
  for (const name of kty === 'EC' ? ['alg', 'crv', 'x', 'y'] : ['alg', 'n', 'e']) {
    const value = jwk.get(name)
    if (typeof value === 'string') members[name] = value
  }
  if (!jwk.has('d')) return { kind: 'jwt', jwk: members }
  const note =
    'holds a private key, of which only the public half is kept: its owner must replace it'
  return { kind: 'jwt', jwk: members, note }
}

function ecFault(jwk: JsonObject): string | undefined {
  const bytes = COORDINATE_BYTES.get(jwk.get('crv'))
  if (bytes === undefined) return 'has a crv other than P-256, P-384 and P-521'
  const fits = (name: string): boolean => decodeBase64url(jwk.get(name))?.length === bytes
  return fits('x') && fits('y') ? undefined : `has no x and y of ${bytes} bytes each`
}

function rsaFault(jwk: JsonObject): string | undefined {
  const modulus = decodeBase64url(jwk.get('n'))
  const exponent = decodeBase64url(jwk.get('e'))
  if (modulus === undefined || exponent === undefined || exponent.length === 0)
    return 'has no n and e'
  // Base64urlUInt has no leading zeros (RFC 7518 2), so the top bit tells the size.
  const large =
    modulus.length > MIN_RSA_BYTES || (modulus.length === MIN_RSA_BYTES && modulus[0]! >= 0x80)
  return large ? undefined : 'has an RSA key shorter than 2048 bits'
}

/** Standard base64 with its padding (RFC 4648 4); `Buffer.from` alone would also take base64url and rubbish. */
function decodeBase64(text: unknown): Uint8Array | undefined {
  return decodeExactly(text, 'base64')
}

/** base64url without padding (RFC 7515 2) */
function decodeBase64url(text: unknown): Uint8Array | undefined {
  return decodeExactly(text, 'base64url')
}

function decodeExactly(text: unknown, encoding: 'base64' | 'base64url'): Uint8Array | undefined {
  if (typeof text !== 'string') return undefined
  const bytes = Buffer.from(text, encoding)
  return bytes.toString(encoding) === text ? bytes : undefined
}

function ignored(note: string): BundleKey {
  return { kind: 'ignored', note }
}

function unknownKeyType(kty: string): string {
  return `has the kty ${quote(kty)}, which cannot be used here`
}

function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64).toWellFormed()}…` : text)
}
