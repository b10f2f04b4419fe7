import { X509Certificate } from 'node:crypto'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import { derTag, readDer, type DerElement } from '../spiffe/der.ts'
import {
  signingCertificateFaults,
  signingCertificateWarnings,
  type CertificateFacts,
} from '../spiffe/x509-svid.ts'
import { expect, hex, only, readExtensions, series, type Extensions } from './extensions.ts'
import { readPemBlocks } from './pem.ts'

export interface ParsedCertificate extends CertificateFacts {
  readonly der: Buffer
  /** Upper-case hex without separators. */
  readonly serial: string
  readonly subject: string
  readonly issuer: string
  /** Hex; '' where absent. */
  readonly subjectKeyId: string
  readonly authorityKeyId: string
  /** DER of the subject's Name. */
  readonly subjectName: Buffer
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Buffer
  /** True where the certificate limits the names below it (RFC 5280 4.2.1.10), which is not acted on here. */
  readonly nameConstraints: boolean
  /** Dotted OIDs of critical extensions that are not acted on here: a validator must refuse them. */
  readonly unhandledCritical: readonly string[]
  /** OpenSSL's view of the same bytes, for signatures and keys. */
  readonly x509: X509Certificate
}

const EXPLICIT_3 = 0xa3
const ISSUER_UNIQUE_ID = 0x81
const SUBJECT_UNIQUE_ID = 0x82
const V3 = 2

/**
 * Reads one certificate, twice: OpenSSL must accept it, and a strict walk over the DER gives the fields node:crypto
 * does not have (its `keyUsage` is the extended one, its `subjectAltName` a display string).
 * @throws SpindleError `certificate_invalid` naming `place`.
 */
export function parseCertificate(der: Uint8Array, place: string): ParsedCertificate {
  const own = Buffer.from(der)
  try {
    const fields = readFields(own)
    const x509 = new X509Certificate(own)
    const { extensions, ...rest } = fields
    return {
      der: own,
      ...rest,
      ...extensions,
      subject: displayName(x509.subject),
      issuer: displayName(x509.issuer),
      x509,
    }
  } catch (thrown) {
    throw new SpindleError('certificate_invalid', `${place}: not a certificate: ${reason(thrown)}`)
  }
}

/** The serial number, decimal, of what is known to be a certificate with extensions: nothing else of it is read. */
export function serialNumberOf(der: Uint8Array): string {
  const inside = (bytes: Uint8Array | undefined, start = 0): DerElement | undefined =>
    bytes && readDer(bytes, start)
  const tbs = inside(inside(der)?.contents)
  const serial = inside(tbs?.contents, inside(tbs?.contents)?.end)
  return BigInt(`0x${serialOf(expect(serial, derTag.INTEGER, 'the serial number'))}`).toString()
}

function readFields(der: Buffer): {
  readonly serial: string
  readonly subjectName: Buffer
  readonly subjectEmpty: boolean
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: Buffer
  readonly extensions: Extensions
} {
  const outer = series(only(der, derTag.SEQUENCE, 'the certificate'), 3, 'the certificate')
  const [tbs, algorithm, signature] = outer
  expect(signature, derTag.BIT_STRING, 'the signature')
  const parts = [
    ...series(expect(tbs, derTag.SEQUENCE, 'the TBSCertificate'), 10, 'the TBSCertificate'),
  ]
  const version = parts[0]?.tag === derTag.EXPLICIT_0 ? versionOf(parts.shift()) : 0
  const [serial, innerAlgorithm, issuer, validity, subject, spki, ...optional] = parts
  const outerId = Buffer.from(expect(algorithm, derTag.SEQUENCE, 'the signature algorithm'))
  if (!outerId.equals(expect(innerAlgorithm, derTag.SEQUENCE, 'the signature algorithm'))) {
    throw new Error('its two signature algorithms differ')
  }
  expect(issuer, derTag.SEQUENCE, 'the issuer')
  const subjectContents = expect(subject, derTag.SEQUENCE, 'the subject')
  expect(spki, derTag.SEQUENCE, 'the public key')
  return {
    serial: serialOf(expect(serial, derTag.INTEGER, 'the serial number')),
    subjectName: whole(der, subject),
    subjectEmpty: subjectContents.length === 0,
    ...validityOf(expect(validity, derTag.SEQUENCE, 'the validity')),
    spki: whole(der, spki),
    extensions: extensionsOf(optional, version),
  }
}

function versionOf(element: DerElement | undefined): number {
  const bytes = only(
    expect(element, derTag.EXPLICIT_0, 'the version'),
    derTag.INTEGER,
    'the version',
  )
  const version = bytes[0] ?? 0
  if (bytes.length !== 1 || version > V3) throw new Error('its version is not 1, 2 or 3')
  return version
}

function serialOf(bytes: Uint8Array): string {
  const [first, second = 0] = bytes
  if (first === undefined || first > 0x7f) throw new Error('its serial number is negative')
  if (first === 0 && bytes.length > 1 && second < 0x80) {
    throw new Error('its serial number is not in DER')
  }
  return hex(first === 0 && bytes.length > 1 ? bytes.subarray(1) : bytes).toUpperCase()
}

function extensionsOf(optional: readonly DerElement[], version: number): Extensions {
  const rest = [...optional]
  for (const tag of [ISSUER_UNIQUE_ID, SUBJECT_UNIQUE_ID]) if (rest[0]?.tag === tag) rest.shift()
  const element = rest.shift()
  if (rest.length > 0) throw new Error('its TBSCertificate holds more than X.509 has')
  if (element === undefined) return readExtensions(new Uint8Array())
  if (version !== V3) throw new Error('it has extensions but is not of version 3')
  const wrapped = expect(element, EXPLICIT_3, 'the extensions')
  return readExtensions(only(wrapped, derTag.SEQUENCE, 'the extensions'))
}

function validityOf(contents: Uint8Array): {
  readonly notBefore: number
  readonly notAfter: number
} {
  const [notBefore, notAfter, ...more] = series(contents, 2, 'the validity')
  if (notBefore === undefined || notAfter === undefined || more.length > 0) {
    throw new Error('its validity is not two times')
  }
  return { notBefore: timeOf(notBefore), notAfter: timeOf(notAfter) }
}

const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18

/** RFC 5280 4.1.2.5: seconds are always there, the zone is always Z, a two-digit year below 50 is of this century. */
function timeOf(element: DerElement): number {
  const text = Buffer.from(element.contents).toString('latin1')
  let digits: string | undefined
  if (element.tag === UTC_TIME && /^\d{12}Z$/.test(text)) digits = (text < '5' ? '20' : '19') + text
  if (element.tag === GENERALIZED_TIME && /^\d{14}Z$/.test(text)) digits = text
  const iso =
    digits?.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z') ?? ''
  const instant = Date.parse(iso)
  // Date.parse rolls some impossible dates over; a real one is written back the same.
  if (Number.isNaN(instant) || new Date(instant).toISOString() !== iso) {
    throw new Error('a time in its validity is not as RFC 5280 has it')
  }
  return instant
}

/** The bytes of an element together with its tag and length. */
function whole(der: Buffer, element: DerElement | undefined): Buffer {
  if (element === undefined) throw new Error('it is cut short')
  const end = element.contents.byteOffset - der.byteOffset + element.contents.length
  const length = element.contents.length
  const head =
    length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : length < 0x1000000 ? 5 : 6
  return der.subarray(end - length - head, end)
}

/** OpenSSL puts one attribute on a line and has escaped line breaks within values. */
function displayName(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ')
}

function reason(thrown: unknown): string {
  const text = messageOf(thrown)
  return text.startsWith('error:') ? 'OpenSSL cannot read it' : text
}

/** Reads every CERTIFICATE block of a PEM text, in order. Anything else in it, or none at all, is a fault. */
export function readCertificatesPem(pem: string, place: string): readonly Buffer[] {
  return parsePem(pem, place).map(({ der }) => der)
}

/**
 * Reads an operator's trust anchors: certificates that each may sign (rules XC-*, for certificates of others). A
 * certificate that occurs twice is kept once; `warnings` says so, one line each.
 * @throws SpindleError `certificate_invalid` naming `place` and the block.
 */
export function readTrustAnchorsPem(
  pem: string,
  place: string,
): { readonly anchors: readonly ParsedCertificate[]; readonly warnings: readonly string[] } {
  const anchors: ParsedCertificate[] = []
  const warnings: string[] = []
  for (const [index, certificate] of parsePem(pem, place).entries()) {
    const where = `block ${index + 1} (${certificate.subject})`
    const fault = anchorFault(certificate)
    if (fault !== undefined) {
      throw new SpindleError('certificate_invalid', `${place}: ${where} may not sign: ${fault}`)
    }
    if (anchors.some(({ der }) => der.equals(certificate.der))) {
      warnings.push(`${where} occurs twice`)
      continue
    }
    warnings.push(...unusual(certificate, where))
    anchors.push(certificate)
  }
  return { anchors, warnings }
}

/** Why a certificate of others vouches for nothing (rules XC-*). */
function anchorFault(certificate: ParsedCertificate): string | undefined {
  const [fault] = signingCertificateFaults(certificate, 'external')
  if (fault !== undefined) return fault
  try {
    // OpenSSL reads a key when it is asked for, not with the certificate.
    return certificate.x509.publicKey.type === 'public' ? undefined : 'it has no public key'
  } catch {
    return 'its public key cannot be read'
  }
}

/** What is worth saying of a certificate of others that may sign, one line each. */
export function unusual(certificate: ParsedCertificate, where: string): readonly string[] {
  const constrained = 'has name constraints, which not every TLS library applies to SPIFFE IDs'
  return [
    ...(certificate.nameConstraints ? [`${where} ${constrained}`] : []),
    ...signingCertificateWarnings(certificate).map((warning) => `${where} is unusual: ${warning}`),
  ]
}

/**
 * Those of a bundle's certificates that may sign (rules XC-*, for certificates of others). One that may not, or is none,
 * is passed over alone (Trust_Domain_and_Bundle 4.1.3) and never reaches an Envoy, which would reject the whole bundle
 * for it; `warnings` says so, one line each.
 */
export function usableTrustAnchors(certificates: readonly Uint8Array[]): {
  readonly anchors: readonly Uint8Array[]
  readonly warnings: readonly string[]
} {
  const warnings: string[] = []
  const anchors = certificates.filter((der, index) => {
    const where = `X.509 authority ${index + 1}`
    try {
      const certificate = parseCertificate(der, where)
      const fault = anchorFault(certificate)
      if (fault !== undefined) warnings.push(`${where} is passed over: it may not sign: ${fault}`)
      else warnings.push(...unusual(certificate, where))
      return fault === undefined
    } catch (thrown) {
      warnings.push(`${messageOf(thrown)}; it is passed over`)
      return false
    }
  })
  return { anchors, warnings }
}

function parsePem(pem: string, place: string): readonly ParsedCertificate[] {
  const blocks = readPemBlocks(pem, place)
  if (blocks.length === 0) {
    throw new SpindleError('certificate_invalid', `${place}: holds no CERTIFICATE block`)
  }
  return blocks.map(({ label, number, der }) => {
    if (label !== 'CERTIFICATE') {
      const fault = `block ${number} is a ${label}, not a CERTIFICATE`
      throw new SpindleError('certificate_invalid', `${place}: ${fault}`)
    }
    return parseCertificate(der, `${place}: block ${number}`)
  })
}
