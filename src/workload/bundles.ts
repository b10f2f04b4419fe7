import { isUtf8 } from 'node:buffer'
import { parseCertificate } from '../certs/parse.ts'
import { messageOf } from '../runtime/errors.ts'
import { parseJwtBundle } from '../spiffe/bundle.ts'
import { splitDer } from '../spiffe/der.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import { isWorkloadId, parseSpiffeId, trustDomainOf } from '../spiffe/spiffe-id.ts'
import type { Notes } from './reading.ts'

/** DER certificates by trust domain; one that has none is left out, and nobody of it is to be trusted (4.6). */
export type X509Bundles = ReadonlyMap<TrustDomain, readonly Buffer[]>
/** JWKs with `use: jwt-svid`, public members alone. */
export type JwtBundle = readonly Readonly<Record<string, unknown>>[]
export type JwtBundles = ReadonlyMap<TrustDomain, JwtBundle>

const MOST_AUTHORITIES = 4096

/**
 * Reads a map of bundles by the SPIFFE ID of their trust domains (5.1, 6.1). An empty one is redacted, and left out (4.4).
 * @throws Error where a key is no such ID, or a bundle none
 */
export function readBundleMap<T>(
  map: Readonly<Record<string, Uint8Array>>,
  read: (trustDomain: TrustDomain, bytes: Uint8Array) => T | undefined,
): ReadonlyMap<TrustDomain, T> {
  const bundles = new Map<TrustDomain, T>()
  for (const [key, bytes] of Object.entries(map)) {
    const trustDomain = trustDomainOfKey(key)
    const bundle = bytes.length === 0 ? undefined : read(trustDomain, bytes)
    if (bundle !== undefined) bundles.set(trustDomain, bundle)
  }
  return bundles
}

/** `spiffe://td`, and no slash after it (WT-29). */
function trustDomainOfKey(key: string): TrustDomain {
  const id = parseSpiffeId(key)
  if (isWorkloadId(id)) throw new Error(`a bundle is given under ${id}, which is no trust domain`)
  return trustDomainOf(id)
}

/**
 * Certificates one after another (5.1). One that cannot be read vouches for nothing, and is passed over alone.
 * @returns undefined where none is left
 * @throws Error where they are not whole
 */
export function readX509Bundle(
  trustDomain: TrustDomain,
  bytes: Uint8Array,
  notes: Notes,
): readonly Buffer[] | undefined {
  const whole = splitDer(bytes, MOST_AUTHORITIES)
  if (whole === undefined) throw new Error(`the bundle of ${trustDomain} is not DER certificates`)
  const authorities = whole.flatMap((der, index) => {
    try {
      return [parseCertificate(der, `bundle of ${trustDomain}: authority ${index + 1}`).der]
    } catch (thrown) {
      notes.add(`${messageOf(thrown)}; it is passed over`)
      return []
    }
  })
  return authorities.length === 0 ? undefined : authorities
}

export function readJwtBundle(
  trustDomain: TrustDomain,
  bytes: Uint8Array,
  notes: Notes,
): JwtBundle {
  if (!isUtf8(bytes)) throw new Error(`the JWT bundle of ${trustDomain} is not UTF-8`)
  const { bundle, ignored } = parseJwtBundle(trustDomain, Buffer.from(bytes).toString('utf8'))
  for (const note of ignored) notes.add(`JWT bundle of ${trustDomain}: ${note}`)
  return bundle.jwtAuthorities
}

/** A JWK Set (RFC 7517 5) in text. Without `use`: its value here is SPIFFE's own, which libraries that look for `sig` pass over. */
export function jwkSetText(bundle: JwtBundle): string {
  const keys = bundle.map((jwk) =>
    Object.fromEntries(Object.entries(jwk).filter(([name]) => name !== 'use')),
  )
  return `${JSON.stringify({ keys }, null, 2)}\n`
}
