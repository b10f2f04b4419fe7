/**
 * Whether a token is a valid JWT-SVID, slow and obvious: from the rules, with node:crypto and JSON.parse, sharing nothing
 * with src. What src decides where the standard leaves a choice is decided here alike: docs/conformance.md.
 */
import type { KeyObject } from 'node:crypto'
import { constants, createPublicKey, verify } from 'node:crypto'

export interface OracleKey {
  readonly use?: string
  readonly kid?: string
  readonly [member: string]: unknown
}

export interface Question {
  readonly audience: string
  /** JWKs by trust domain. */
  readonly keys: ReadonlyMap<string, readonly OracleKey[]>
  /** ms since the epoch */
  readonly now: number
}

export interface Verdict {
  readonly accepted: boolean
  /** Why not; or '' */
  readonly why: string
  readonly spiffeId?: string
}

const LEEWAY_S = 60
const HASHES = { 256: 'sha256', 384: 'sha384', 512: 'sha512' } as const
const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const
const ALGORITHM = /^(?:RS|PS|ES)(?:256|384|512)$/
const SPIFFE_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/
const BASE64URL = /^[A-Za-z0-9_-]*$/

export function judge(token: string, { audience, keys, now }: Question): Verdict {
  try {
    const parts = token.split('.')
    must(parts.length === 3, 'three parts')
    const [header, claims, signature] = [
      object(bytesOf(parts[0])),
      object(bytesOf(parts[1])),
      bytesOf(parts[2]),
    ]
    const { alg, kid, typ } = header
    must(typeof alg === 'string' && ALGORITHM.test(alg), 'JV-1')
    must(!Object.hasOwn(header, 'crit'), 'JV-10')
    must(!Object.hasOwn(header, 'typ') || typ === 'JWT' || typ === 'JOSE', 'JV-8')
    must(typeof kid === 'string' && kid !== '', 'JV-9')
    must(signature.length > 0, 'a signature')

    const id = SPIFFE_ID.exec(typeof claims['sub'] === 'string' ? claims['sub'] : '')
    must(id !== null && id[0].length <= 2048, 'JV-7: a SPIFFE ID')
    const [spiffeId, trustDomain, path] = id as unknown as [string, string, string]
    must(
      path.split('/').every((segment) => segment !== '.' && segment !== '..'),
      'JV-7: no relative segment',
    )
    const named = typeof claims['aud'] === 'string' ? [claims['aud']] : claims['aud']
    must(Array.isArray(named) && named.every((each) => typeof each === 'string'), 'JV-2: texts')
    must((named as string[]).includes(audience), 'JV-2: the audience')
    for (const name of ['exp', 'nbf', 'iat'])
      if (Object.hasOwn(claims, name)) must(Number.isFinite(claims[name]), `${name}: a number`)
    must(Object.hasOwn(claims, 'exp'), 'JV-3')
    must(now / 1000 < (claims['exp'] as number) + LEEWAY_S, 'JV-3: expired')
    if (Object.hasOwn(claims, 'nbf'))
      must((claims['nbf'] as number) <= now / 1000 + LEEWAY_S, 'JV-11')

    const key = keys
      .get(trustDomain)
      ?.find((each) => each.kid === kid && each.use === 'jwt-svid' && each['kty'] !== 'OKP')
    must(key !== undefined, 'JV-5, JV-6: a key of the trust domain')
    const signed = Buffer.from(`${parts[0]}.${parts[1]}`)
    must(fits(key as OracleKey, String(alg)), 'JV-5: a key of that kind')
    must(isSigned(key as OracleKey, String(alg), signed, signature), 'JV-4')
    return { accepted: true, why: '', spiffeId }
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown
    return { accepted: false, why: thrown.message }
  }
}

class Refused extends Error {}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Refused(what)
}

function bytesOf(part = ''): Buffer {
  must(BASE64URL.test(part), 'base64url')
  const bytes = Buffer.from(part, 'base64url')
  // Bits that say nothing are zero: one text for the same bytes.
  must(bytes.toString('base64url') === part, 'base64url in its one form')
  return bytes
}

type Json = Readonly<Record<string, unknown>>

function object(bytes: Buffer): Json {
  const text = bytes.toString('utf8')
  must(Buffer.from(text, 'utf8').equals(bytes), 'UTF-8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Refused('JSON')
  }
  must(typeof value === 'object' && value !== null && !Array.isArray(value), 'a JSON object')
  must(!repeats(text), 'each name once, and whole characters')
  return value as Json
}

/** Whether a JSON text that JSON.parse takes names a member twice in one object, or holds half a character. */
function repeats(text: string): boolean {
  const open: { readonly names: Set<string>; readonly isObject: boolean }[] = []
  let before = ''
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g)) {
    const inside = open.at(-1)
    if (token === '{' || token === '[') open.push({ names: new Set(), isObject: token === '{' })
    else if (token === '}' || token === ']') open.pop()
    else if (token.startsWith('"')) {
      const name = JSON.parse(token) as string
      if (!name.isWellFormed()) return true
      if (inside?.isObject === true && before !== ':') {
        if (inside.names.has(name)) return true
        inside.names.add(name)
      }
    }
    before = token
  }
  return false
}

function fits(key: OracleKey, algorithm: string): boolean {
  if (key['alg'] !== undefined && key['alg'] !== algorithm) return false
  return algorithm.startsWith('ES')
    ? key['kty'] === 'EC' && key['crv'] === CURVES[algorithm as keyof typeof CURVES]
    : key['kty'] === 'RSA'
}

const read = new WeakMap<OracleKey, KeyObject>()

function isSigned(jwk: OracleKey, algorithm: string, signed: Buffer, signature: Buffer): boolean {
  const key = read.get(jwk) ?? createPublicKey({ key: jwk as never, format: 'jwk' })
  read.set(jwk, key)
  must((key.asymmetricKeyDetails?.modulusLength ?? 2048) >= 2048, 'RFC 7518 3.3')
  const digest = HASHES[algorithm.slice(2) as '256']
  const how = {
    ES: { dsaEncoding: 'ieee-p1363' },
    RS: { padding: constants.RSA_PKCS1_PADDING },
    PS: {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    },
  }[algorithm.slice(0, 2)]
  return verify(digest, signed, { key, ...(how as object) }, signature)
}
