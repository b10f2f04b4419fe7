/** What every certificate written here has in common: names, key identifiers, serial numbers, times. */
import { hash } from 'node:crypto'
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
