import { Buffer } from 'node:buffer'
import { SpindleError } from '../runtime/errors.ts'
import { derTag, isDerSequence, readDerSeries, type DerElement } from './der.ts'

/** The public key members of a JWK (RFC 7518 6.2, 6.3; RFC 8037 2), integers and coordinates in base64url. */
export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: string; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }

const EC_PUBLIC_KEY = '2a8648ce3d0201'
const RSA_ENCRYPTION = '2a864886f70d010101'
const ED25519 = '2b6570'

/** Named curves by the hex of their object identifier (RFC 5480 2.1.1.1), with the bytes of one coordinate. */
const CURVES: Readonly<Record<string, { readonly crv: string; readonly bytes: number }>> = {
  '2a8648ce3d030107': { crv: 'P-256', bytes: 32 },
  '2b81040022': { crv: 'P-384', bytes: 48 },
  '2b81040023': { crv: 'P-521', bytes: 66 },
}

/** A certificate has at most ten parts in its signed part (RFC 5280 4.1). */
const MAX_PARTS = 10

/**
 * The public key of a DER certificate as JWK members.
 * @throws SpindleError `certificate_invalid` where there is no certificate, or its key is none of EC P-256, P-384, P-521,
 * RSA and Ed25519.
 */
export function publicJwk(certificate: Uint8Array): PublicJwk {
  const [algorithm, bits] = keyInfo(certificate)
  const [oid, parameters] = parts(algorithm, derTag.SEQUENCE)
  const key = keyBytes(bits)
  switch (hexOf(oid)) {
    case EC_PUBLIC_KEY:
      return ecJwk(hexOf(parameters), key)
    case RSA_ENCRYPTION:
      return rsaJwk(key)
    case ED25519:
      if (key.length !== 32) throw invalid('its Ed25519 key is not 32 bytes')
      return { kty: 'OKP', crv: 'Ed25519', x: base64url(key) }
    default:
      throw invalid('its key is not EC, RSA or Ed25519')
  }
}

/** The two parts of the SubjectPublicKeyInfo, the seventh part of the signed part where a version is given (RFC 5280 4.1). */
function keyInfo(certificate: Uint8Array): readonly (DerElement | undefined)[] {
  if (!isDerSequence(certificate)) throw invalid('it is not one DER SEQUENCE')
  const [whole] = readDerSeries(certificate, 1) ?? []
  const [signed] = parts(whole, derTag.SEQUENCE)
  const signedParts = parts(signed, derTag.SEQUENCE)
  const versioned = signedParts[0]?.tag === derTag.EXPLICIT_0
  return parts(signedParts[versioned ? 6 : 5], derTag.SEQUENCE)
}

function ecJwk(curveOid: string, point: Uint8Array): PublicJwk {
  const curve = CURVES[curveOid]
  if (curve === undefined) throw invalid('its curve is not P-256, P-384 or P-521')
  // 0x04: both coordinates are given (SEC 1 2.3.3); a compressed point would need arithmetic on the curve.
  if (point[0] !== 0x04 || point.length !== 1 + 2 * curve.bytes) {
    throw invalid(`its key is not an uncompressed point of ${curve.crv}`)
  }
  const x = base64url(point.subarray(1, 1 + curve.bytes))
  const y = base64url(point.subarray(1 + curve.bytes))
  return { kty: 'EC', crv: curve.crv, x, y }
}

function rsaJwk(key: Uint8Array): PublicJwk {
  const [whole] = readDerSeries(key, 1) ?? []
  const [modulus, exponent] = parts(whole, derTag.SEQUENCE)
  return { kty: 'RSA', n: base64url(positive(modulus)), e: base64url(positive(exponent)) }
}

/** An integer's bytes without the zero that DER puts before a set top bit (RFC 7518 2, Base64urlUInt). */
function positive(integer: DerElement | undefined): Uint8Array {
  const bytes = integer?.tag === derTag.INTEGER ? integer.contents : undefined
  const [top] = bytes ?? []
  if (bytes === undefined || top === undefined || top >= 0x80) {
    throw invalid('its RSA key is not two positive integers')
  }
  return top === 0 ? bytes.subarray(1) : bytes
}

function keyBytes(bits: DerElement | undefined): Uint8Array {
  // The first byte counts unused bits, of which a key has none.
  if (bits?.tag !== derTag.BIT_STRING || bits.contents[0] !== 0)
    throw invalid('it has no public key')
  return bits.contents.subarray(1)
}

function parts(element: DerElement | undefined, tag: number): readonly DerElement[] {
  const found = element?.tag === tag ? readDerSeries(element.contents, MAX_PARTS) : undefined
  if (found === undefined) throw invalid('it is not an X.509 certificate')
  return found
}

function hexOf(oid: DerElement | undefined): string {
  return oid?.tag === derTag.OBJECT_IDENTIFIER ? Buffer.from(oid.contents).toString('hex') : ''
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function invalid(fault: string): SpindleError {
  return new SpindleError(
    'certificate_invalid',
    `the certificate cannot be written as a JWK: ${fault}`,
  )
}
