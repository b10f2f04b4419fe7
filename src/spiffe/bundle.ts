import { Buffer } from 'node:buffer'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import { readBundleKey, type BundleKey } from './bundle-key.ts'
import { readJson, type JsonObject, type JsonValue } from './json.ts'
import { publicJwk } from './jwk.ts'
import { parseTrustDomain, type TrustDomain } from './spiffe-id.ts'

/** The authorities of one trust domain (Trust_Domain_and_Bundle 3, 4). */
export interface Bundle {
  readonly trustDomain: TrustDomain
  /** DER certificates. None: no X.509-SVID of the trust domain is valid (4.1.3). */
  readonly x509Authorities: readonly Uint8Array[]
  /** JWKs with `use: jwt-svid`, each with its `kid`; public members only. */
  readonly jwtAuthorities: readonly Readonly<Record<string, unknown>>[]
  readonly sequence?: bigint
  readonly refreshHintSeconds?: number
}

export interface ParsedBundle {
  readonly bundle: Bundle
  /** What was passed over, and why (BF-7, BF-11): one line each. */
  readonly ignored: readonly string[]
}

/**
 * Reads a SPIFFE bundle document: a JWK Set (RFC 7517 5) of at most 4 MiB. What is not understood is passed over and
 * said in `ignored`; a bundle left with nothing is valid and trusts nobody.
 * @throws SpindleError `bundle_invalid` naming the place.
 */
export function parseBundle(trustDomain: TrustDomain, text: string): ParsedBundle {
  const place = `bundle of ${trustDomain}`
  return bundleFrom(trustDomain, readJson(text, { code: 'bundle_invalid', place }), place)
}

/**
 * Reads what a Workload API gives as a JWT bundle: a JWK Set of keys that verify JWT-SVIDs. There `use` may be missing, as
 * SPIRE leaves it out, and a key of any other use is passed over (Workload API 6.2.2).
 * @throws SpindleError `bundle_invalid` naming the place.
 */
export function parseJwtBundle(trustDomain: TrustDomain, text: string): ParsedBundle {
  const place = `JWT bundle of ${trustDomain}`
  const document = readJson(text, { code: 'bundle_invalid', place })
  const { bundle, ignored } = bundleFrom(trustDomain, forJwtAlone(document), place)
  return { bundle: { ...bundle, x509Authorities: [] }, ignored }
}

function forJwtAlone(document: JsonValue): JsonValue {
  const keys = isObject(document) ? document.get('keys') : undefined
  if (!isObject(document) || !Array.isArray(keys)) return document
  const jwt = keys.map((jwk: JsonValue) =>
    isObject(jwk) && !jwk.has('use') ? new Map([...jwk, ['use', 'jwt-svid']]) : jwk,
  )
  return new Map([...document, ['keys', jwt]])
}

/**
 * Reads a bundle map (Trust_Domain_and_Bundle 5): `{"trust_domains": {"example.org": <bundle>, …}}`. A fault in one
 * bundle refuses the whole map, so that it is taken in one piece or not at all.
 * @throws SpindleError `bundle_invalid` naming the place, also where a trust domain is named twice.
 */
export function parseBundleMap(text: string): ReadonlyMap<TrustDomain, ParsedBundle> {
  const place = 'bundle map'
  const document = readJson(text, { code: 'bundle_invalid', place })
  const members = isObject(document) ? document.get('trust_domains') : undefined
  if (!isObject(members)) throw invalid(place, 'trust_domains must be an object')
  const bundles = new Map<TrustDomain, ParsedBundle>()
  for (const [name, value] of members) {
    const trustDomain = namedTrustDomain(name, place)
    bundles.set(trustDomain, bundleFrom(trustDomain, value, `${place}: trust_domains["${name}"]`))
  }
  return bundles
}

/**
 * Writes a SPIFFE bundle document (JSON, one trailing newline): X.509 authorities without `kid`, one certificate each.
 * @throws SpindleError `bundle_invalid` where an authority or a number could not be read back.
 */
export function serializeBundle(bundle: Bundle): string {
  const place = `bundle of ${bundle.trustDomain}`
  const x509Keys = bundle.x509Authorities.map((certificate, index) =>
    writtenX509Key(certificate, `${place}: x509Authorities[${index}]`),
  )
  const jwtKeys = bundle.jwtAuthorities.map((jwk, index) =>
    writtenJwtKey(jwk, `${place}: jwtAuthorities[${index}]`),
  )
  const members = [`"keys": ${JSON.stringify([...x509Keys, ...jwtKeys], null, 2)}`]
  // JSON.stringify has no bigint, so the integers are written here.
  if (bundle.sequence !== undefined) {
    if (bundle.sequence < 0n) throw invalid(place, 'sequence must not be negative')
    members.push(`"spiffe_sequence": ${bundle.sequence}`)
  }
  if (bundle.refreshHintSeconds !== undefined) {
    if (!isRefreshHint(bundle.refreshHintSeconds)) {
      throw invalid(place, 'refreshHintSeconds must be a whole number of seconds from 1')
    }
    members.push(`"spiffe_refresh_hint": ${bundle.refreshHintSeconds}`)
  }
  return `{\n${members.join(',\n')}`.replaceAll('\n', '\n  ') + '\n}\n'
}

function bundleFrom(trustDomain: TrustDomain, document: JsonValue, place: string): ParsedBundle {
  if (!isObject(document)) throw invalid(place, 'must be an object')
  const keys = document.get('keys')
  if (!Array.isArray(keys))
    throw invalid(place, 'keys must be present and a list (it may be empty)')
  const ignored: string[] = []
  const found = distinct(readKeys(keys, place), ignored)
  const sequence = readSequence(document, ignored)
  const refreshHintSeconds = readRefreshHint(document, ignored)
  const bundle: Bundle = {
    trustDomain,
    x509Authorities: found.flatMap((key) => (key.kind === 'x509' ? [key.certificate] : [])),
    jwtAuthorities: found.flatMap((key) => (key.kind === 'jwt' ? [key.jwk] : [])),
    ...(sequence !== undefined && { sequence }),
    ...(refreshHintSeconds !== undefined && { refreshHintSeconds }),
  }
  return { bundle, ignored }
}

function readKeys(keys: readonly JsonValue[], place: string): readonly BundleKey[] {
  return keys.map((jwk, index) => {
    if (!isObject(jwk)) throw invalid(place, `keys[${index}] must be an object`)
    return readBundleKey(jwk)
  })
}

/** Drops what says nothing new: a certificate given twice, and a key whose `kid` an earlier one has (RFC 7517 4.5). */
function distinct(keys: readonly BundleKey[], ignored: string[]): readonly BundleKey[] {
  const seen = new Set<string>()
  return keys.filter((key, index) => {
    if (key.note !== undefined) ignored.push(`keys[${index}] ${key.note}`)
    if (key.kind === 'ignored') return false
    const name =
      key.kind === 'x509'
        ? `x5c ${base64(key.certificate)}`
        : `kid ${JSON.stringify(key.jwk['kid'])}`
    if (!seen.has(name)) return seen.add(name)
    const repeated = key.kind === 'x509' ? 'certificate' : 'kid'
    ignored.push(`keys[${index}] repeats the ${repeated} of an earlier key`)
    return false
  })
}

function readSequence(document: JsonObject, ignored: string[]): bigint | undefined {
  const sequence = document.get('spiffe_sequence')
  if (sequence === undefined || (typeof sequence === 'bigint' && sequence >= 0n)) return sequence
  ignored.push('spiffe_sequence is not a whole number')
  return undefined
}

function readRefreshHint(document: JsonObject, ignored: string[]): number | undefined {
  const hint = document.get('spiffe_refresh_hint')
  if (hint === undefined) return undefined
  if (typeof hint === 'bigint' && isRefreshHint(Number(hint))) return Number(hint)
  ignored.push('spiffe_refresh_hint is not a whole number of seconds from 1')
  return undefined
}

function isRefreshHint(seconds: number): boolean {
  return Number.isSafeInteger(seconds) && seconds >= 1
}

function writtenX509Key(certificate: Uint8Array, place: string): object {
  try {
    return { use: 'x509-svid', ...publicJwk(certificate), x5c: [base64(certificate)] }
  } catch (error) {
    throw new SpindleError('bundle_invalid', `${place}: ${messageOf(error)}`, { cause: error })
  }
}

/** Through the reader, so that nothing is published that a reader would pass over, and no private member ever is. */
function writtenJwtKey(jwk: Readonly<Record<string, unknown>>, place: string): object {
  const strings = Object.entries(jwk).filter(
    (member): member is [string, string] => typeof member[1] === 'string',
  )
  const key = readBundleKey(new Map(strings))
  if (key.kind !== 'jwt') throw invalid(place, key.note ?? 'is not a jwt-svid key')
  return key.jwk
}

function namedTrustDomain(name: string, place: string): TrustDomain {
  try {
    return parseTrustDomain(name)
  } catch (error) {
    throw new SpindleError('bundle_invalid', `${place}: ${messageOf(error)}`, { cause: error })
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function invalid(place: string, fault: string): SpindleError {
  return new SpindleError('bundle_invalid', `${place}: ${fault}`)
}
