import { derTag, readDer, readDerSeries, type DerElement } from '../spiffe/der.ts'

/** The extensions the X509-SVID rules and path validation look at (RFC 5280 4.2.1). */
export interface Extensions {
  uriSans: readonly string[]
  dnsSans: readonly string[]
  sanCritical: boolean
  basicConstraints?: { readonly ca: boolean; readonly pathLen?: number }
  keyUsage?: { readonly critical: boolean; readonly usages: readonly string[] }
  extendedKeyUsage?: readonly string[]
  /** Hex; '' where absent. */
  subjectKeyId: string
  authorityKeyId: string
  nameConstraints: boolean
  /** Dotted OIDs of critical extensions whose meaning is not acted on here (RFC 5280 6.1.4 (o)). */
  unhandledCritical: readonly string[]
}

const BOOLEAN = 0x01
const OCTET_STRING = 0x04
const DNS_NAME = 0x82
const URI = 0x86
/** The nine choices of GeneralName, with their primitive or constructed bit (RFC 5280 4.2.1.6). */
const GENERAL_NAMES = new Set([0xa0, 0x81, DNS_NAME, 0xa3, 0xa4, 0xa5, URI, 0x87, 0x88])
const KEY_IDENTIFIER = 0x80

/** Bit 0 first (RFC 5280 4.2.1.3). */
const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

/** Far beyond any certificate; bounds what a hostile one can make us read. */
const MAX_EXTENSIONS = 64
const MAX_NAMES = 1024

/** Reads the contents of the Extensions SEQUENCE. @throws Error with what is malformed. */
export function readExtensions(contents: Uint8Array): Extensions {
  const found: Extensions = {
    uriSans: [],
    dnsSans: [],
    sanCritical: false,
    subjectKeyId: '',
    authorityKeyId: '',
    nameConstraints: false,
    unhandledCritical: [],
  }
  const seen = new Set<string>()
  for (const extension of series(contents, MAX_EXTENSIONS, 'the extensions')) {
    const { oid, critical, value } = readExtension(extension)
    if (seen.has(oid)) throw new Error(`extension ${oid} occurs twice`)
    seen.add(oid)
    apply(found, oid, { critical, value })
  }
  return found
}

function readExtension(extension: DerElement): {
  readonly oid: string
  readonly critical: boolean
  readonly value: Uint8Array
} {
  const parts = series(expect(extension, derTag.SEQUENCE, 'an extension'), 3, 'an extension')
  const oid = dottedOid(expect(parts[0], derTag.OBJECT_IDENTIFIER, 'an extension'))
  const flag = parts.length === 3 ? parts[1] : undefined
  const critical = flag !== undefined && boolean(expect(flag, BOOLEAN, `extension ${oid}`))
  return { oid, critical, value: expect(parts.at(-1), OCTET_STRING, `extension ${oid}`) }
}

function apply(
  found: Extensions,
  oid: string,
  extension: { readonly critical: boolean; readonly value: Uint8Array },
): void {
  const { critical, value } = extension
  switch (oid) {
    case '2.5.29.14':
      found.subjectKeyId = hex(only(value, OCTET_STRING, 'subjectKeyIdentifier'))
      return
    case '2.5.29.15':
      found.keyUsage = { critical, usages: keyUsages(only(value, derTag.BIT_STRING, 'keyUsage')) }
      return
    case '2.5.29.17':
      found.sanCritical = critical
      Object.assign(found, alternativeNames(only(value, derTag.SEQUENCE, 'subjectAltName')))
      return
    case '2.5.29.19':
      found.basicConstraints = basicConstraints(only(value, derTag.SEQUENCE, 'basicConstraints'))
      return
    case '2.5.29.35':
      found.authorityKeyId = keyIdentifier(only(value, derTag.SEQUENCE, 'authorityKeyIdentifier'))
      return
    case '2.5.29.37':
      found.extendedKeyUsage = purposes(only(value, derTag.SEQUENCE, 'extendedKeyUsage'))
      return
    case '2.5.29.30':
      found.nameConstraints = true
      break
    case '2.5.29.32':
      // Without required policies, certificatePolicies cannot make a path invalid (RFC 5280 6.1.1 (e)).
      return
    default:
  }
  if (critical) found.unhandledCritical = [...found.unhandledCritical, oid]
}

function keyUsages(bits: Uint8Array): readonly string[] {
  const unused = bits[0] ?? 8
  const last = bits.length > 1 ? (bits.at(-1) ?? 0) : 0
  if (unused > (bits.length > 1 ? 7 : 0) || (last & ((1 << unused) - 1)) !== 0) {
    throw new Error('keyUsage is not a DER BIT STRING')
  }
  return KEY_USAGES.filter((_, bit) => ((bits[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0)
}

function alternativeNames(contents: Uint8Array): Pick<Extensions, 'uriSans' | 'dnsSans'> {
  const uriSans: string[] = []
  const dnsSans: string[] = []
  const names = series(contents, MAX_NAMES, 'subjectAltName')
  if (names.length === 0) throw new Error('subjectAltName holds no name')
  for (const name of names) {
    if (!GENERAL_NAMES.has(name.tag)) throw new Error('subjectAltName holds a name of unknown kind')
    if (name.tag === URI) uriSans.push(ia5(name.contents))
    if (name.tag === DNS_NAME) dnsSans.push(ia5(name.contents))
  }
  return { uriSans, dnsSans }
}

function basicConstraints(contents: Uint8Array): {
  readonly ca: boolean
  readonly pathLen?: number
} {
  const parts = [...series(contents, 2, 'basicConstraints')]
  const flag = parts[0]?.tag === BOOLEAN ? parts.shift() : undefined
  const ca = flag !== undefined && boolean(flag.contents)
  const limit = parts.shift()
  if (parts.length > 0) throw new Error('basicConstraints holds more than cA and pathLen')
  if (limit === undefined) return { ca }
  const bytes = expect(limit, derTag.INTEGER, 'pathLen')
  // 0..127 in one byte: no chain is longer, and negative numbers have the high bit.
  if (bytes.length !== 1 || (bytes[0] ?? 0x80) > 0x7f) throw new Error('pathLen is not 0 to 127')
  return { ca, pathLen: bytes[0] ?? 0 }
}

function keyIdentifier(contents: Uint8Array): string {
  const first = series(contents, 3, 'authorityKeyIdentifier')[0]
  return first?.tag === KEY_IDENTIFIER ? hex(first.contents) : ''
}

function purposes(contents: Uint8Array): readonly string[] {
  return series(contents, MAX_NAMES, 'extendedKeyUsage').map((purpose) =>
    dottedOid(expect(purpose, derTag.OBJECT_IDENTIFIER, 'extendedKeyUsage')),
  )
}

/** The dotted form of an OBJECT IDENTIFIER's contents. @throws Error where it is malformed. */
export function dottedOid(contents: Uint8Array): string {
  const arcs: bigint[] = []
  let arc = 0n
  let begun = false
  for (const byte of contents) {
    if (!begun && byte === 0x80) throw new Error('an OBJECT IDENTIFIER is not in DER')
    arc = (arc << 7n) | BigInt(byte & 0x7f)
    begun = byte >= 0x80
    if (begun) continue
    arcs.push(arc)
    arc = 0n
  }
  const [first, ...rest] = arcs
  if (first === undefined || begun) throw new Error('an OBJECT IDENTIFIER is cut short')
  const root = first < 80n ? first / 40n : 2n
  return [root, first - root * 40n, ...rest].join('.')
}

/** The contents of the one element that fills `bytes`. @throws Error */
export function only(bytes: Uint8Array, tag: number, what: string): Uint8Array {
  const element = readDer(bytes, 0)
  if (element === undefined || element.end !== bytes.length)
    throw new Error(`${what} is not in DER`)
  return expect(element, tag, what)
}

/** @throws Error where `element` is missing or of another type. */
export function expect(element: DerElement | undefined, tag: number, what: string): Uint8Array {
  if (element?.tag !== tag) throw new Error(`${what} is not what X.509 has in its place`)
  return element.contents
}

/** The elements that fill `contents`. @throws Error */
export function series(contents: Uint8Array, limit: number, what: string): readonly DerElement[] {
  const elements = readDerSeries(contents, limit)
  if (elements === undefined) throw new Error(`${what}: not in DER, or too many elements`)
  return elements
}

/** An explicit FALSE is no DER, but common in certificates of other makers and harmless. */
function boolean(contents: Uint8Array): boolean {
  const value = contents[0]
  if (contents.length !== 1 || (value !== 0 && value !== 0xff)) {
    throw new Error('a BOOLEAN is not in DER')
  }
  return value === 0xff
}

function ia5(contents: Uint8Array): string {
  if (contents.some((byte) => byte > 0x7f)) throw new Error('a name in subjectAltName is not ASCII')
  return Buffer.from(contents).toString('latin1')
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
