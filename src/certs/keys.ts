import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  sign,
  verify,
  type KeyObject,
  type X509Certificate,
} from 'node:crypto'
import { promisify } from 'node:util'
import { SpindleError } from '../runtime/errors.ts'
import { isDerSequence } from '../spiffe/der.ts'
import { bitString, element, integer, objectIdentifier, octetString, sequence } from './der.ts'
import { readPemBlocks, type PemBlock } from './pem.ts'

export const KEY_TYPES = ['ec-p256', 'ec-p384', 'rsa-2048', 'rsa-4096'] as const
export type KeyType = (typeof KEY_TYPES)[number]

/** What a key can be: one of the types made here, or RSA-3072, which operators bring in files. */
export type AnyKeyType = KeyType | 'rsa-3072'

export interface KeyPair {
  readonly type: AnyKeyType
  readonly privateKey: KeyObject
  /** DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7). */
  readonly spki: Buffer
  /** DER PKCS#8, unencrypted. Secret. */
  readonly pkcs8: Buffer
}

interface Curve {
  readonly type: 'ec-p256' | 'ec-p384'
  /** OpenSSL's name. */
  readonly name: 'prime256v1' | 'secp384r1'
  readonly scalarBytes: number
  /** AlgorithmIdentifier: ecPublicKey with this curve (RFC 5480 2.1.1). */
  readonly algorithm: Buffer
  /** Everything of a SubjectPublicKeyInfo before the uncompressed point's coordinates. */
  readonly spkiHead: Buffer
}

function curve(
  type: Curve['type'],
  name: Curve['name'],
  shape: [oid: string, bytes: number],
): Curve {
  const [oid, scalarBytes] = shape
  const algorithm = sequence(objectIdentifier('1.2.840.10045.2.1'), objectIdentifier(oid))
  const uncompressed = Buffer.alloc(1 + 2 * scalarBytes)
  uncompressed[0] = 4
  const spki = sequence(algorithm, bitString(uncompressed))
  return { type, name, scalarBytes, algorithm, spkiHead: spki.subarray(0, -2 * scalarBytes) }
}

const P256 = curve('ec-p256', 'prime256v1', ['1.2.840.10045.3.1.7', 32])
const P384 = curve('ec-p384', 'secp384r1', ['1.3.132.0.34', 48])

const MIN_RSA_BITS = 2048
const generateRsa = promisify(generateKeyPair)

/** EC keys are made at once; RSA keys on the thread pool. */
export async function generateKey(type: KeyType): Promise<KeyPair> {
  switch (type) {
    case 'ec-p256':
      return generateEcKey(P256)
    case 'ec-p384':
      return generateEcKey(P384)
    case 'rsa-2048':
    case 'rsa-4096': {
      const bits = type === 'rsa-2048' ? 2048 : 4096
      const { privateKey } = await generateRsa('rsa', { modulusLength: bits })
      return keyPairOf(type, privateKey)
    }
  }
}

/**
 * ECDH makes EC keys faster than `generateKeyPair` with its DER encoders; the price is that PKCS#8 (RFC 5958, with RFC
 * 5915 inside) and SubjectPublicKeyInfo are written here.
 */
function generateEcKey(curve: Curve): KeyPair {
  const ecdh = createECDH(curve.name)
  const point = ecdh.generateKeys()
  const scalar = leftPadded(ecdh.getPrivateKey(), curve.scalarBytes)
  const pkcs8 = ecPkcs8(curve, scalar, point)
  let privateKey: KeyObject | undefined
  return {
    type: curve.type,
    // Only signers need the KeyObject, and it costs more than the key itself.
    get privateKey() {
      return (privateKey ??= createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
    },
    spki: Buffer.concat([curve.spkiHead, point.subarray(1)]),
    pkcs8,
  }
}

function ecPkcs8(curve: Curve, scalar: Buffer, point: Buffer): Buffer {
  const ecPrivateKey = sequence(
    integer(Buffer.from([1])),
    octetString(scalar),
    element(0xa1, bitString(point)),
  )
  return sequence(integer(Buffer.from([0])), curve.algorithm, octetString(ecPrivateKey))
}

/**
 * Whether `pkcs8` is an EC key in the form written here whose public half is that of `spki`. False says nothing: it may be
 * one in another form. It compares bytes, where an OpenSSL key would be made and the point computed.
 */
export function isEcKeyOf(spki: Uint8Array, pkcs8: Uint8Array): boolean {
  for (const curve of [P256, P384]) {
    const { spkiHead, scalarBytes } = curve
    if (spki.length !== spkiHead.length + 2 * scalarBytes) continue
    const point = Buffer.concat([Buffer.from([4]), spki.subarray(spkiHead.length)])
    const whole = ecPkcs8(curve, Buffer.alloc(scalarBytes), point)
    if (pkcs8.length !== whole.length || !spkiHead.equals(spki.subarray(0, spkiHead.length)))
      continue
    // Behind the scalar stand the tags and lengths of the public half, and its point with the byte of unused bits.
    const scalarAt = whole.length - PUBLIC_HALF_HEAD - point.length - scalarBytes
    Buffer.from(pkcs8.buffer, pkcs8.byteOffset + scalarAt, scalarBytes).copy(whole, scalarAt)
    if (whole.equals(pkcs8)) return true
  }
  return false
}

/** Tags and lengths of [1] and of the BIT STRING in it, and its count of unused bits: short lengths, as a point has. */
const PUBLIC_HALF_HEAD = 5

/** RFC 5915 3 wants the scalar at the curve's full length; OpenSSL gives it without leading zeros. */
export function leftPadded(scalar: Buffer, length: number): Buffer {
  return scalar.length >= length
    ? scalar
    : Buffer.concat([Buffer.alloc(length - scalar.length), scalar])
}

/** The curve of an EC key in the form written here (named curve, uncompressed point); undefined for anything else. */
export function ecTypeOf(spki: Uint8Array): Curve['type'] | undefined {
  for (const { type, spkiHead, scalarBytes } of [P256, P384]) {
    const bytes = Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength)
    if (bytes.length !== spkiHead.length + 2 * scalarBytes) continue
    if (bytes.subarray(0, spkiHead.length).equals(spkiHead)) return type
  }
  return undefined
}

const PEM_KEYS = {
  'PRIVATE KEY': 'pkcs8',
  'RSA PRIVATE KEY': 'pkcs1',
  'EC PRIVATE KEY': 'sec1',
} as const

/** Reads a PEM private key (PKCS#8, PKCS#1 or SEC 1). @throws SpindleError `certificate_invalid` naming `place`. */
export function readKeyPem(pem: string, place: string): KeyPair {
  const block = onlyKeyBlock(readPemBlocks(pem, place), place)
  const type = PEM_KEYS[block.label as keyof typeof PEM_KEYS]
  const fault = `the ${block.label} block does not hold a private key of that form`
  return readKey(block.der, { type, place, fault })
}

/**
 * The private key of a certificate, of any type.
 * @param pkcs8 DER, unencrypted
 * @throws SpindleError `certificate_invalid` where it cannot be read, or is the key of another certificate
 */
export function readKeyOf(certificate: X509Certificate, pkcs8: Uint8Array): KeyObject {
  let privateKey: KeyObject
  try {
    // OpenSSL passes over what follows a key.
    if (!isDerSequence(pkcs8)) throw new Error('not one DER element')
    privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  } catch {
    throw new SpindleError(
      'certificate_invalid',
      'the private key is not readable as unencrypted PKCS#8',
    )
  }
  if (certificate.checkPrivateKey(privateKey)) return privateKey
  throw new SpindleError('certificate_invalid', 'the private key does not fit the leaf')
}

/** Reads a DER private key (PKCS#8). @throws SpindleError `certificate_invalid` naming `place`. */
export function readKeyDer(pkcs8: Buffer, place: string): KeyPair {
  return readKey(pkcs8, { type: 'pkcs8', place, fault: 'its private key is not PKCS#8' })
}

function readKey(
  der: Buffer,
  as: { readonly type: 'pkcs8' | 'pkcs1' | 'sec1'; readonly place: string; readonly fault: string },
): KeyPair {
  const { type, place, fault } = as
  let privateKey: KeyObject
  try {
    // OpenSSL passes over what follows a key.
    if (!isDerSequence(der)) throw new Error('not one DER element')
    privateKey = createPrivateKey({ key: der, format: 'der', type })
  } catch {
    // OpenSSL's own message names its decoder, not what is wrong.
    throw invalid(place, fault)
  }
  const keyType = typeOf(privateKey, place)
  checkHalvesFit(privateKey, place)
  return keyPairOf(keyType, privateKey)
}

function onlyKeyBlock(blocks: readonly PemBlock[], place: string): PemBlock {
  // `openssl ecparam -genkey` writes the curve in a block of its own before the key, which names it again.
  const keys = blocks.filter((block) => block.label !== 'EC PARAMETERS')
  const [key, second] = keys
  if (key === undefined) throw invalid(place, 'holds no private key')
  if (second !== undefined)
    throw invalid(place, 'holds more than one PEM block; one private key is expected')
  if (key.label === 'ENCRYPTED PRIVATE KEY' || key.encrypted) {
    throw invalid(
      place,
      'the private key is encrypted; write it without a passphrase (openssl pkey -in … -out …)',
    )
  }
  if (!Object.hasOwn(PEM_KEYS, key.label)) {
    throw invalid(
      place,
      `holds a ${key.label} block; a private key is expected (PKCS#8, PKCS#1 or SEC 1)`,
    )
  }
  return key
}

function typeOf(privateKey: KeyObject, place: string): AnyKeyType {
  const wanted = 'EC P-256, EC P-384, RSA 2048, 3072 or 4096 are allowed'
  const kind = privateKey.asymmetricKeyType ?? 'unknown'
  const details = privateKey.asymmetricKeyDetails ?? {}
  if (kind === 'ec') {
    const found = [P256, P384].find((known) => known.name === details.namedCurve)
    if (found !== undefined) return found.type
    throw invalid(
      place,
      `an EC key on ${details.namedCurve ?? 'a curve without a name'}; ${wanted}`,
    )
  }
  if (kind !== 'rsa') throw invalid(place, `a key of type ${kind}; ${wanted}`)
  const bits = details.modulusLength ?? 0
  if (bits === 2048 || bits === 3072 || bits === 4096) return `rsa-${bits}`
  const weak = bits < MIN_RSA_BITS ? ', which is too weak' : ''
  throw invalid(place, `an RSA key of ${bits} bits${weak}; ${wanted}`)
}

/** A file can name a public half that is not the private half's; everything signed with such a key would be void. */
function checkHalvesFit(privateKey: KeyObject, place: string): void {
  const probe = Buffer.from(place)
  let fits: boolean
  try {
    fits = verify('sha256', probe, createPublicKey(privateKey), sign('sha256', probe, privateKey))
  } catch {
    fits = false
  }
  if (!fits) throw invalid(place, 'the private and the public half of the key do not fit')
}

function keyPairOf(type: AnyKeyType, privateKey: KeyObject): KeyPair {
  return {
    type,
    privateKey,
    spki: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    pkcs8: privateKey.export({ type: 'pkcs8', format: 'der' }),
  }
}

function invalid(place: string, fault: string): SpindleError {
  return new SpindleError('certificate_invalid', `${place}: ${fault}`)
}
