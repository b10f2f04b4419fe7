import { createPublicKey } from 'node:crypto'
import { dnsNameFault } from '../spiffe/dns-name.ts'
import { isWorkloadId, parseSpiffeId, type SpiffeId } from '../spiffe/spiffe-id.ts'
import { bitString, element, objectIdentifier, octetString, sequence, time } from './der.ts'
import { ecTypeOf } from './keys.ts'
import {
  distinguishedName,
  keyIdentifier,
  MAX_COMMON_NAME,
  refused,
  serialNumber,
  wholeSeconds,
  type IssuerParts,
} from './profile.ts'

export interface LeafRequest {
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  /** DER SubjectPublicKeyInfo: EC P-256 or P-384 with an uncompressed point, or RSA of 2048 bits or more. */
  readonly spki: Uint8Array
  /** ms since the epoch, cut to whole seconds */
  readonly notBefore: number
  readonly notAfter: number
  /** Positive, at most 20 bytes in DER. */
  readonly serial: Uint8Array
}

const TRUE = Buffer.from([0x01, 0x01, 0xff])

function extension(oid: string, critical: boolean, value: Uint8Array): Buffer {
  const flag = critical ? [TRUE] : []
  return sequence(objectIdentifier(oid), ...flag, octetString(value))
}

const VERSION_3 = Buffer.from('a003020102', 'hex')
/** digitalSignature alone: an EC key can do nothing else in TLS (XL-7, XL-8). */
const EC_KEY_USAGE = extension('2.5.29.15', true, Buffer.from('03020780', 'hex'))
/** digitalSignature and keyEncipherment, which TLS 1.2's RSA key exchange asks for (XL-8). */
const RSA_KEY_USAGE = extension('2.5.29.15', true, Buffer.from('030205a0', 'hex'))
/** serverAuth and clientAuth (XL-10, XL-11). */
const EXTENDED_KEY_USAGE = extension(
  '2.5.29.37',
  false,
  sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'), objectIdentifier('1.3.6.1.5.5.7.3.2')),
)
/** cA is FALSE, which DER leaves out (XL-5). */
const NO_CA = extension('2.5.29.19', true, sequence())

const SUBJECT_KEY_ID = objectIdentifier('2.5.29.14')
const SUBJECT_ALT_NAME = objectIdentifier('2.5.29.17')
const DEFAULT_SUBJECT = distinguishedName('Spindle', {})

export function authorityKeyIdExtension(keyId: Uint8Array): Buffer {
  return extension('2.5.29.35', false, sequence(element(0x80, keyId)))
}

/**
 * Writes the TBSCertificate of an X.509-SVID leaf (rules XL-1 … XL-13). The subject is never empty, so the SAN need not
 * be critical (XL-4). Whoever asks has proof that the key is its subject's: an EC point is not checked to be on its curve.
 * @throws SpindleError `request_invalid` or `spiffe_id_invalid`
 */
export function encodeTbs(issuer: IssuerParts, request: LeafRequest): Buffer {
  const id = parseSpiffeId(request.spiffeId)
  if (!isWorkloadId(id))
    throw refused(`${id}: a leaf needs a SPIFFE ID with a path (X509-SVID 3.1)`)
  const { dnsNames, spki } = request
  for (const name of dnsNames) {
    const fault = dnsNameFault(name)
    if (fault !== undefined)
      throw refused(`the DNS name ${JSON.stringify(name.slice(0, 300))} ${fault}`)
  }
  const { notBefore, notAfter } = wholeSeconds(request)
  return sequence(
    VERSION_3,
    serialNumber(request.serial),
    issuer.algorithm,
    issuer.name,
    sequence(time(notBefore), time(notAfter)),
    subject(dnsNames),
    spki,
    element(
      0xa3,
      sequence(
        ecTypeOf(spki) === undefined ? rsaKeyUsage(spki) : EC_KEY_USAGE,
        EXTENDED_KEY_USAGE,
        NO_CA,
        sequence(SUBJECT_KEY_ID, octetString(octetString(keyIdentifier(spki)))),
        issuer.authorityKeyId,
        sequence(SUBJECT_ALT_NAME, octetString(alternativeNames(id, dnsNames))),
      ),
    ),
  )
}

/** The certificate of a signed TBSCertificate. */
export function encodeCertificate(tbs: Buffer, algorithm: Buffer, signature: Buffer): Buffer {
  return sequence(tbs, algorithm, bitString(signature))
}

function subject(dnsNames: readonly string[]): Buffer {
  const [first] = dnsNames
  return first === undefined || first.length > MAX_COMMON_NAME
    ? DEFAULT_SUBJECT
    : distinguishedName('Spindle', { commonName: first })
}

function alternativeNames(id: SpiffeId, dnsNames: readonly string[]): Buffer {
  const names = dnsNames.map((name) => element(0x82, Buffer.from(name, 'latin1')))
  return sequence(...names, element(0x86, Buffer.from(id, 'latin1')))
}

const MIN_RSA_BITS = 2048

function rsaKeyUsage(spki: Uint8Array): Buffer {
  const bytes = Buffer.from(spki)
  let bits = 0
  try {
    const key = createPublicKey({ key: bytes, format: 'der', type: 'spki' })
    const exact = key.export({ type: 'spki', format: 'der' }).equals(bytes)
    if (exact && key.asymmetricKeyType === 'rsa')
      bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  } catch {
    // Not a public key at all: refused below like any other.
  }
  if (bits >= MIN_RSA_BITS) return RSA_KEY_USAGE
  throw refused('the public key must be EC P-256, EC P-384 or RSA of 2048 bits or more, in DER')
}
