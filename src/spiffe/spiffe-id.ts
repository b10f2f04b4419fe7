import { SpindleError } from '../runtime/errors.ts'

declare const spiffeId: unique symbol
declare const trustDomain: unique symbol

/** A checked SPIFFE ID (SPIFFE-ID 2). Equal IDs are equal strings. */
export type SpiffeId = string & { readonly [spiffeId]: true }
/** A checked trust domain name, such as `example.org` (SPIFFE-ID 2.1). */
export type TrustDomain = string & { readonly [trustDomain]: true }

/** SPIFFE-ID 2.3: bytes of a whole ID. Every legal byte is ASCII, so bytes and string units count alike. */
const MAX_ID_BYTES = 2048
/** SPIFFE-ID 2.3: bytes of a trust domain name. */
const MAX_TRUST_DOMAIN_BYTES = 255
const PREFIX = 'spiffe://'

const SLASH = 0x2f
const PATH_CLAUSE = 'SPIFFE-ID 2.2: each segment of the path is one or more of a-z A-Z 0-9 . - _'

/**
 * Reads a SPIFFE ID from its raw text. A URL parser is never asked: it would repair what the standard refuses.
 * @throws SpindleError `spiffe_id_invalid` naming the clause that is broken.
 */
export function parseSpiffeId(text: string): SpiffeId {
  if (text.length > MAX_ID_BYTES) {
    throw invalid(text, `is longer than ${MAX_ID_BYTES} bytes (SPIFFE-ID 2.3)`)
  }
  if (!text.startsWith(PREFIX)) throw invalid(text, `does not begin with ${PREFIX} (SPIFFE-ID 2)`)
  const slash = text.indexOf('/', PREFIX.length)
  const hostEnd = slash === -1 ? text.length : slash
  checkTrustDomain(text, PREFIX.length, hostEnd)
  if (slash !== -1) checkPath(text, slash)
  return text as SpiffeId
}

/** @throws SpindleError `spiffe_id_invalid` */
export function parseTrustDomain(text: string): TrustDomain {
  checkTrustDomain(text, 0, text.length)
  return text as TrustDomain
}

/** `spiffe://example.org` for `example.org`. */
export function trustDomainId(name: TrustDomain): SpiffeId {
  return `${PREFIX}${name}` as SpiffeId
}

/** Of the servers of a trust domain, as SPIRE names them. */
export function serverSpiffeId(name: TrustDomain): SpiffeId {
  return `${PREFIX}${name}/spire/server` as SpiffeId
}

export function trustDomainOf(id: SpiffeId): TrustDomain {
  const slash = id.indexOf('/', PREFIX.length)
  return (slash === -1 ? id.slice(PREFIX.length) : id.slice(PREFIX.length, slash)) as TrustDomain
}

/** True where the ID has a path, so that it can name a workload (X509-SVID 3.1). */
export function isWorkloadId(id: SpiffeId): boolean {
  return id.includes('/', PREFIX.length)
}

function checkTrustDomain(text: string, start: number, end: number): void {
  if (start === end) throw invalid(text, 'has no trust domain name (SPIFFE-ID 2.1)')
  for (let at = start; at < end; at++) {
    if (!isTrustDomainByte(text.charCodeAt(at))) throw invalid(text, trustDomainFault(text, at))
  }
  if (end - start > MAX_TRUST_DOMAIN_BYTES) {
    throw invalid(
      text,
      `has a trust domain name longer than ${MAX_TRUST_DOMAIN_BYTES} bytes (SPIFFE-ID 2.3)`,
    )
  }
}

function checkPath(text: string, firstSlash: number): void {
  let segmentStart = firstSlash + 1
  for (let at = segmentStart; at <= text.length; at++) {
    const unit = at === text.length ? SLASH : text.charCodeAt(at)
    if (unit === SLASH) {
      const fault = segmentFault(text, segmentStart, at)
      if (fault !== undefined) throw invalid(text, `${fault} (${PATH_CLAUSE})`)
      segmentStart = at + 1
    } else if (!isPathByte(unit)) {
      throw invalid(text, pathFault(text, at))
    }
  }
}

function segmentFault(text: string, start: number, end: number): string | undefined {
  if (start === end)
    return end === text.length ? 'ends with /' : `has an empty segment at byte ${start}`
  const segment = end - start <= 2 ? text.slice(start, end) : ''
  return segment === '.' || segment === '..' ? `has the segment ${segment}` : undefined
}

function trustDomainFault(text: string, at: number): string {
  const unit = text.charAt(at)
  const found = `has ${show(unit)} at byte ${at}`
  if (unit === '@' || unit === ':') return `${found}: no user and no port (SPIFFE-ID 2.1)`
  if (unit === '?' || unit === '#') return `${found}: no query and no fragment (SPIFFE-ID 2)`
  if (unit === '%') return `${found}: no percent-encoding in a trust domain name (SPIFFE-ID 2.1)`
  if (unit >= 'A' && unit <= 'Z')
    return `${found}: a trust domain name is lower case (SPIFFE-ID 2.1)`
  return `${found}: a trust domain name is made of a-z 0-9 . - _ (SPIFFE-ID 2.1)`
}

function pathFault(text: string, at: number): string {
  const unit = text.charAt(at)
  const found = `has ${show(unit)} at byte ${at}`
  if (unit === '?' || unit === '#') return `${found}: no query and no fragment (SPIFFE-ID 2)`
  if (unit === '%') return `${found}: no percent-encoding in a path (SPIFFE-ID 2.2)`
  return `${found} (${PATH_CLAUSE})`
}

function isTrustDomainByte(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || isDigitOrMark(unit)
}

function isPathByte(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x41 && unit <= 0x5a) || isDigitOrMark(unit)
}

/** 0-9 and `.`, `-`, `_` */
function isDigitOrMark(unit: number): boolean {
  return (unit >= 0x30 && unit <= 0x39) || unit === 0x2e || unit === 0x2d || unit === 0x5f
}

/** Printable ASCII in quotes, anything else by its number, so that a message never carries control characters. */
function show(unit: string): string {
  const code = unit.charCodeAt(0)
  return code > 0x20 && code < 0x7f
    ? `"${unit}"`
    : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

function invalid(text: string, fault: string): SpindleError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return new SpindleError('spiffe_id_invalid', `${JSON.stringify(shown)} ${fault}`)
}
