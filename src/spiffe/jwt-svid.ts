import { Buffer, isUtf8 } from 'node:buffer'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import { readJson, type JsonObject, type JsonValue } from './json.ts'
import { isWorkloadId, parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

/** What may sign a JWT-SVID (JWT-SVID 2.1): no EdDSA, nothing symmetric, never `none`. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
] as const
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number]

/** What a JWT-SVID says, its signature not looked at. */
export interface JwtSvid {
  readonly algorithm: JwtAlgorithm
  readonly keyId: string
  readonly spiffeId: SpiffeId
  /** At least one. */
  readonly audience: readonly string[]
  /** ms since the epoch */
  readonly expiresAt: number
  readonly notBefore?: number
  readonly claims: JwtClaims
}

/** Every claim as JSON has it; `aud` is a list. Integers beyond 2⁵³ are rounded. */
export interface JwtClaims {
  readonly [name: string]: PlainJson
}
type PlainJson = null | boolean | number | string | readonly PlainJson[] | JwtClaims

/** What goes into a JWT-SVID of our making. */
export interface JwtSvidContent {
  readonly spiffeId: SpiffeId
  readonly audience: readonly string[]
  /** ms since the epoch; both are cut to whole seconds. */
  readonly issuedAt: number
  readonly expiresAt: number
  /** RFC 7519 4.1.7. */
  readonly jti?: string | undefined
}

/** The longest token that is read, and so the longest that is made: it would not fit into most HTTP headers. */
const MAX_TOKEN_BYTES = 64 * 1024
/** What clocks may differ by (JWT-SVID 3.3), as SPIRE and go-spiffe have it. */
const LEEWAY_MS = 60_000
/** JWT-SVID 2.3; case counts, so `wit+jwt`, `at+jwt` and `jwt` are other things. */
const TYPES: readonly unknown[] = ['JWT', 'JOSE']

/**
 * Reads a compact JWS (RFC 7515 7.1) as a JWT-SVID, the algorithm before anything else (JV-1). What depends on time and
 * audience is left to `checkJwtSvid`, and the signature to `jwt/`.
 * @throws SpindleError `jwt_svid_invalid` naming the rule that is broken and never quoting the token, which is a credential.
 */
export function readJwtSvid(token: string): JwtSvid {
  if (token.length > MAX_TOKEN_BYTES) throw invalid(`it is longer than ${MAX_TOKEN_BYTES} bytes`)
  const parts = token.split('.', 4)
  const [head = '', body = '', signature = ''] = parts
  if (parts.length !== 3) throw invalid('JV-4 (RFC 7515 7.1): it has not three parts')
  const header = jsonPart(head, 'header')
  const algorithm = algorithmOf(header)
  // RFC 7515 4.1.11: whatever is critical is something not understood here.
  if (header.has('crit')) throw invalid('JV-10: its header has crit')
  if (header.has('typ') && !TYPES.includes(header.get('typ'))) {
    throw invalid('JV-8 (JWT-SVID 2.3): its typ is neither JWT nor JOSE')
  }
  const keyId = header.get('kid')
  if (typeof keyId !== 'string' || keyId === '') throw invalid('JV-9: its header has no kid')
  if (signature === '' || decoded(signature) === undefined) {
    throw invalid('JV-4 (RFC 7515 7.1): its signature is not base64url')
  }
  return { algorithm, keyId, ...claimsFrom(jsonPart(body, 'payload')) }
}

/**
 * Whether it is for `audience` and valid at `now` (ms since the epoch), give or take a minute.
 * @throws SpindleError `jwt_svid_invalid`
 */
export function checkJwtSvid(
  svid: JwtSvid,
  { audience, now }: { readonly audience: string; readonly now: number },
): void {
  if (!svid.audience.includes(audience)) {
    throw invalid('JV-2 (JWT-SVID 3.2): it is not for the audience that was asked for')
  }
  if (now >= svid.expiresAt + LEEWAY_MS) throw invalid('JV-3 (JWT-SVID 3.3): it has expired')
  if (svid.notBefore !== undefined && now + LEEWAY_MS < svid.notBefore) {
    throw invalid('JV-11 (RFC 7519 4.1.5): it is not valid yet')
  }
}

/**
 * The claims of a JWT-SVID of our making, as its payload (JI-7 … JI-10, JI-15).
 * @throws SpindleError `request_invalid`
 */
export function jwtSvidPayload(content: JwtSvidContent): string {
  const { spiffeId, audience, issuedAt, expiresAt, jti } = content
  if (!isWorkloadId(spiffeId)) throw refused(`JI-7 (JWT-SVID 3.1): ${spiffeId} is no workload`)
  const payload = JSON.stringify({
    sub: spiffeId,
    aud: checkedAudience(audience),
    exp: Math.floor(expiresAt / 1000),
    iat: Math.floor(issuedAt / 1000),
    jti,
  })
  // Header and signature take less than a kilobyte.
  if ((Buffer.byteLength(payload) * 4) / 3 > MAX_TOKEN_BYTES - 2048) {
    throw refused('the audiences are too long to be of use in a token')
  }
  return payload
}

/**
 * What was asked for, each once and in its order (JI-8).
 * @throws SpindleError `request_invalid` where there is none, or an empty one.
 */
export function checkedAudience(audience: readonly string[]): readonly string[] {
  if (audience.length === 0) throw refused('JI-8 (JWT-SVID 3.2): no audience is named')
  if (audience.some((each) => each === '' || !each.isWellFormed())) {
    throw refused('JI-8 (JWT-SVID 3.2): an audience is empty or no text')
  }
  return [...new Set(audience)]
}

/** The one algorithm a key of ours signs with; undefined: a key that may sign no JWT-SVID (JI-4, RFC 7518 3.3). */
export function algorithmOfKey(jwk: Readonly<Record<string, unknown>>): JwtAlgorithm | undefined {
  if (jwk['kty'] === 'EC') return EC_ALGORITHMS.get(jwk['crv'])
  return jwk['kty'] === 'RSA' ? 'RS256' : undefined
}

/** Whether a JWK of a bundle may verify what is signed with `algorithm`: by `use` (JV-5), and by its kind. */
export function mayVerify(
  jwk: Readonly<Record<string, unknown>>,
  algorithm: JwtAlgorithm,
): boolean {
  if (jwk['use'] !== 'jwt-svid') return false
  if (jwk['alg'] !== undefined && jwk['alg'] !== algorithm) return false
  return algorithm.startsWith('ES')
    ? jwk['kty'] === 'EC' && EC_ALGORITHMS.get(jwk['crv']) === algorithm
    : jwk['kty'] === 'RSA'
}

/** RFC 7518 3.4: each has a curve of its own. */
const EC_ALGORITHMS: ReadonlyMap<unknown, JwtAlgorithm> = new Map([
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
])

function algorithmOf(header: JsonObject): JwtAlgorithm {
  const named = header.get('alg')
  const algorithm = JWT_ALGORITHMS.find((each) => each === named)
  if (algorithm === undefined) throw invalid('JV-1 (JWT-SVID 2.1): its alg is not an allowed one')
  return algorithm
}

function claimsFrom(claims: JsonObject): Omit<JwtSvid, 'algorithm' | 'keyId'> {
  const audience = audienceOf(claims.get('aud'))
  const expiresAt = instant(claims, 'exp')
  if (expiresAt === undefined) throw invalid('JV-3 (JWT-SVID 3.3): it has no exp')
  const notBefore = instant(claims, 'nbf')
  instant(claims, 'iat')
  return {
    spiffeId: subjectOf(claims.get('sub')),
    audience,
    expiresAt,
    ...(notBefore !== undefined && { notBefore }),
    claims: { ...plainObject(claims), aud: audience },
  }
}

function subjectOf(sub: JsonValue | undefined): SpiffeId {
  if (typeof sub !== 'string') throw invalid('JV-7 (JWT-SVID 3.1): it has no sub')
  let id: SpiffeId
  try {
    id = parseSpiffeId(sub)
  } catch (thrown) {
    throw invalid(`JV-7 (JWT-SVID 3.1): its sub is no SPIFFE ID: ${messageOf(thrown)}`)
  }
  if (!isWorkloadId(id)) throw invalid('JV-7 (JWT-SVID 3.1): its sub is no workload')
  return id
}

/** RFC 7519 4.1.3: one text or a list of them. */
function audienceOf(aud: JsonValue | undefined): readonly string[] {
  const list = typeof aud === 'string' ? [aud] : aud
  if (!Array.isArray(list) || list.length === 0) throw invalid('JV-2 (JWT-SVID 3.2): it has no aud')
  return list.map((each: JsonValue) => {
    if (typeof each === 'string') return each
    throw invalid('JV-2 (RFC 7519 4.1.3): its aud holds something else than texts')
  })
}

/** A NumericDate (RFC 7519 2) in ms since the epoch. */
function instant(claims: JsonObject, name: string): number | undefined {
  const value = claims.get(name)
  if (value === undefined) return undefined
  const seconds = typeof value === 'bigint' ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) {
    throw invalid(`JV-3, JV-11 (RFC 7519 2): its ${name} is not a number`)
  }
  return seconds * 1000
}

function jsonPart(text: string, what: string): JsonObject {
  const bytes = text === '' ? undefined : decoded(text)
  if (bytes === undefined || !isUtf8(bytes)) {
    throw invalid(`JV-4 (RFC 7515 7.1): its ${what} is not base64url of UTF-8`)
  }
  const place = `JWT-SVID: its ${what}`
  const value = readJson(bytes.toString('utf8'), { code: 'jwt_svid_invalid', place })
  if (!(value instanceof Map)) throw invalid(`JV-4 (RFC 7519 7.2): its ${what} is no JSON object`)
  return value as JsonObject
}

/** base64url without padding (RFC 7515 2), in the one way to write it. */
function decoded(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

function plainObject(object: JsonObject): JwtClaims {
  return Object.fromEntries(Array.from(object, ([name, value]) => [name, plain(value)]))
}

function plain(value: JsonValue): PlainJson {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map((each: JsonValue) => plain(each))
  return value instanceof Map ? plainObject(value as JsonObject) : (value as PlainJson)
}

const refused = (fault: string): SpindleError => new SpindleError('request_invalid', fault)

const invalid = (fault: string): SpindleError =>
  new SpindleError('jwt_svid_invalid', `JWT-SVID: ${fault}`)
