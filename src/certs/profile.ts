/** What every certificate written here has in common: its issuer, names, key identifiers, serial numbers, times. */
import { hash, type KeyObject } from 'node:crypto'
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts'
import type { AnyKeyType, KeyPair } from './keys.ts'
import { SpindleError } from '../runtime/errors.ts'
import { derTag } from '../spiffe/der.ts'
import {
  integer,
  LATEST_TIME,
  objectIdentifier,
  printableString,
  sequence,
  set,
  utf8String,
} from './der.ts'
import { expect, only, series } from './extensions.ts'

/** The parts of a leaf that are the issuer's, in DER. */
export interface IssuerParts {
  /** The issuer's subject. */
  readonly name: Buffer
  /** AlgorithmIdentifier of its signatures. */
  readonly algorithm: Buffer
  /** The authorityKeyIdentifier extension. */
  readonly authorityKeyId: Buffer
}

/** A signing certificate with its key, prepared for fast signing. */
export interface Issuer {
  readonly certificate: Buffer
  readonly key: KeyPair
  readonly keyType: AnyKeyType
  /** ms since the epoch */
  readonly notBefore: number
  readonly notAfter: number
  /** Hex of the subject key identifier: the authority's id, as SPIRE names it. */
  readonly authorityId: string
  /** How many CAs may follow it; undefined: any number. */
  readonly pathLen?: number
  /** That of its URI SAN, where it has one that is a SPIFFE ID. */
  readonly trustDomain?: TrustDomain
  readonly parts: IssuerParts
  readonly digest: 'sha256' | 'sha384'
  /** From the certificate, so that a key that does not fit it can sign nothing that passes the self-check. */
  readonly publicKey: KeyObject
}

export interface CaRequest {
  readonly trustDomainId: SpiffeId
  readonly notBefore: number
  readonly notAfter: number
  readonly serial: Uint8Array
  /** CN of the subject; O is `SPIFFE`, C is `US`, as SPIRE's. A serialNumber attribute keeps subjects of rotations apart. */
  readonly commonName?: string
}

const attribute = (oid: string, value: Buffer): Buffer =>
  set(sequence(objectIdentifier(oid), value))
const COUNTRY = attribute('2.5.4.6', printableString('US'))

/** DER of the Name `C=US, O=…` with the optional attributes after it. `serialNumber` is hex. */
export function distinguishedName(
  organization: string,
  more: { readonly commonName?: string; readonly serialNumber?: string },
): Buffer {
  const parts = [COUNTRY, attribute('2.5.4.10', utf8String(organization))]
  if (more.commonName !== undefined) parts.push(attribute('2.5.4.3', utf8String(more.commonName)))
  if (more.serialNumber !== undefined) {
    parts.push(attribute('2.5.4.5', printableString(more.serialNumber)))
  }
  return sequence(...parts)
}

/** ub-common-name (RFC 5280 A.1). */
export const MAX_COMMON_NAME = 64

/** Method 1 of RFC 7093 2: the leftmost 160 bits of the SHA-256 of the public key's bits. */
export function keyIdentifier(spki: Uint8Array): Buffer {
  const [, key] = series(only(spki, derTag.SEQUENCE, 'the public key'), 2, 'the public key')
  const bits = expect(key, derTag.BIT_STRING, 'the public key')
  return hash('sha256', bits.subarray(1), 'buffer').subarray(0, 20)
}

/** The serial number as an INTEGER: positive and at most 20 bytes (RFC 5280 4.1.2.2). @throws SpindleError */
export function serialNumber(serial: Uint8Array): Buffer {
  const encoded = integer(serial)
  if (!serial.some((byte) => byte !== 0)) throw refused('the serial number is not positive')
  // One byte of tag and one of length before the number itself.
  if (encoded.length > 22) throw refused('the serial number is longer than 20 bytes in DER')
  return encoded
}

/** Cuts a validity to whole seconds, downwards. @throws SpindleError where that leaves nothing, or it cannot be written. */
export function wholeSeconds(validity: { readonly notBefore: number; readonly notAfter: number }): {
  readonly notBefore: number
  readonly notAfter: number
} {
  const notBefore = Math.floor(validity.notBefore / 1000) * 1000
  const notAfter = Math.floor(validity.notAfter / 1000) * 1000
  if (!(notBefore >= 0 && notBefore < notAfter && notAfter <= LATEST_TIME)) {
    throw refused('notBefore must be before notAfter, and both from 1970 to 9999')
  }
  return { notBefore, notAfter }
}

export function refused(message: string): SpindleError {
  return new SpindleError('request_invalid', message)
}
