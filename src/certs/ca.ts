import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { webcrypto, type KeyObject } from 'node:crypto'
import { SpindleError } from '../runtime/errors.ts'
import { isWorkloadId, parseSpiffeId } from '../spiffe/spiffe-id.ts'
import { mayIssueAuthorities, signingCertificateFaults } from '../spiffe/x509-svid.ts'
import { parseCertificate, type ParsedCertificate } from './certificate.ts'
import type { KeyPair } from './keys.ts'
import {
  distinguishedName,
  keyIdentifier,
  MAX_COMMON_NAME,
  refused,
  serialNumber,
  wholeSeconds,
  type CaRequest,
  type Issuer,
} from './profile.ts'
import { signatureFits } from './verify.ts'

/** What the certificate is to say; everything is decided here, nothing is left to the library's defaults. */
interface CaContent {
  /** Hex, positive. */
  readonly serial: string
  readonly subject: Buffer
  readonly notBefore: number
  readonly notAfter: number
  readonly uri: string
  readonly pathLen: number | undefined
  readonly subjectKeyId: string
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Buffer
}

/** For `subject`'s public key. By an issuer, or by the key itself: then the certificate is self-signed. */
export async function writeCaCertificate(
  { spki }: Pick<KeyPair, 'spki'>,
  request: CaRequest,
  by: Issuer | KeyPair,
): Promise<Buffer> {
  const [issuer, signer] = 'key' in by ? [by, by.key] : [undefined, by]
  const content = contentOf(spki, request, issuer)
  const created = await x509.X509CertificateGenerator.create(
    {
      serialNumber: content.serial,
      subject: new x509.Name(new Uint8Array(content.subject)),
      issuer: new x509.Name(new Uint8Array(issuer?.parts.name ?? content.subject)),
      notBefore: new Date(content.notBefore),
      notAfter: new Date(content.notAfter),
      publicKey: new Uint8Array(spki),
      signingKey: cryptoKey(signer),
      signingAlgorithm: algorithmOf(signer),
      extensions: [
        new x509.BasicConstraintsExtension(true, content.pathLen, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
          true,
        ),
        new x509.SubjectKeyIdentifierExtension(content.subjectKeyId),
        ...(issuer === undefined
          ? []
          : [new x509.AuthorityKeyIdentifierExtension(issuer.authorityId)]),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: content.uri }]),
      ],
    },
    webcrypto as Crypto,
  )
  const written = parseCertificate(new Uint8Array(created.rawData), 'the CA certificate just made')
  checkWritten(written, content, issuer)
  return written.der
}

function contentOf(spki: Buffer, request: CaRequest, issuer: Issuer | undefined): CaContent {
  const uri = parseSpiffeId(request.trustDomainId)
  if (isWorkloadId(uri)) throw refused(`${uri}: the SPIFFE ID of a CA has no path (X509-SVID 3.2)`)
  const { commonName } = request
  if (commonName !== undefined && (commonName === '' || commonName.length > MAX_COMMON_NAME)) {
    throw refused(`the common name must have 1 to ${MAX_COMMON_NAME} characters`)
  }
  const notAfter = Math.min(request.notAfter, issuer?.notAfter ?? Infinity)
  const serial = hexOf(serialNumber(request.serial).subarray(2))
  return {
    serial,
    subject: distinguishedName('SPIFFE', {
      ...(commonName === undefined ? {} : { commonName }),
      serialNumber: serial,
    }),
    ...wholeSeconds({ notBefore: request.notBefore, notAfter }),
    uri,
    pathLen: pathLenBelow(issuer),
    subjectKeyId: keyIdentifier(spki).toString('hex'),
    spki,
  }
}

/** Without the zero byte that only says a number is positive. */
function hexOf(magnitude: Buffer): string {
  return magnitude.subarray(magnitude[0] === 0 ? 1 : 0).toString('hex')
}

function pathLenBelow(issuer: Issuer | undefined): number | undefined {
  if (issuer?.pathLen === undefined) return undefined
  const mayIssue = mayIssueAuthorities(parseCertificate(issuer.certificate, 'the issuer'))
  if (!mayIssue) throw refused('the issuer allows no CA below it (pathLen 0)')
  return issuer.pathLen - 1
}

const ALGORITHMS = {
  'ec-p256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'ec-p384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'rsa-2048': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  'rsa-3072': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  'rsa-4096': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const

function algorithmOf(signer: KeyPair): (typeof ALGORITHMS)[keyof typeof ALGORITHMS] {
  return ALGORITHMS[signer.type]
}

function cryptoKey(signer: KeyPair): CryptoKey {
  const privateKey: KeyObject = signer.privateKey
  return privateKey.toCryptoKey(algorithmOf(signer), false, ['sign']) as CryptoKey
}

/** The library is general and this is a CA: what it wrote is read back and must say exactly what was asked. */
function checkWritten(
  written: ParsedCertificate,
  content: CaContent,
  issuer: Issuer | undefined,
): void {
  const signer = issuer === undefined ? written : parseCertificate(issuer.certificate, 'the issuer')
  const asked =
    BigInt(`0x${written.serial}`) === BigInt(`0x${content.serial}`) &&
    written.subjectName.equals(content.subject) &&
    written.notBefore === content.notBefore &&
    written.notAfter === content.notAfter &&
    written.uriSans.length === 1 &&
    written.uriSans[0] === content.uri &&
    written.basicConstraints?.pathLen === content.pathLen &&
    written.subjectKeyId === content.subjectKeyId &&
    written.spki.equals(content.spki) &&
    written.authorityKeyId === (issuer?.authorityId ?? '') &&
    written.x509.checkIssued(signer.x509) &&
    signatureFits(written, signer)
  const faults = signingCertificateFaults(written, 'own')
  if (asked && faults.length === 0) return
  const why = faults.length > 0 ? faults.join('; ') : 'it does not say what was asked'
  throw new SpindleError('internal', `a CA certificate was made wrongly and thrown away: ${why}`)
}
