import { sign, verify } from 'node:crypto'
import { SpindleError } from '../runtime/errors.ts'
import { parseSpiffeId, trustDomainOf, type TrustDomain } from '../spiffe/spiffe-id.ts'
import { signingCertificateFaults } from '../spiffe/x509-svid.ts'
import { parseCertificate, type ParsedCertificate } from './certificate.ts'
import { objectIdentifier, sequence } from './der.ts'
import type { AnyKeyType, KeyPair } from './keys.ts'
import { authorityKeyIdExtension, encodeCertificate, encodeTbs, type LeafRequest } from './leaf.ts'
import { keyIdentifier, refused, type CaRequest, type Issuer } from './profile.ts'

export type { LeafRequest } from './leaf.ts'
export type { CaRequest, Issuer } from './profile.ts'

const NULL = Buffer.from([0x05, 0x00])
const RSA_SHA256 = sequence(objectIdentifier('1.2.840.113549.1.1.11'), NULL)
/** The digest as strong as the key (RFC 5480 4, RFC 4055 5). */
const SIGNATURES = {
  'ec-p256': { digest: 'sha256', algorithm: sequence(objectIdentifier('1.2.840.10045.4.3.2')) },
  'ec-p384': { digest: 'sha384', algorithm: sequence(objectIdentifier('1.2.840.10045.4.3.3')) },
  'rsa-2048': { digest: 'sha256', algorithm: RSA_SHA256 },
  'rsa-3072': { digest: 'sha256', algorithm: RSA_SHA256 },
  'rsa-4096': { digest: 'sha256', algorithm: RSA_SHA256 },
} as const satisfies Record<AnyKeyType, unknown>

/** @throws SpindleError `certificate_invalid` when key and certificate do not fit or the certificate may not sign. */
export function createIssuer(certificateDer: Uint8Array, key: KeyPair, place: string): Issuer {
  const certificate = parseCertificate(certificateDer, place)
  const faults = signingCertificateFaults(certificate, 'external')
  if (faults.length > 0) throw invalid(place, `may not sign: ${faults.join('; ')}`)
  if (!certificate.x509.checkPrivateKey(key.privateKey)) {
    throw invalid(place, 'the private key does not fit the certificate')
  }
  const authorityId = authorityIdOf(certificate)
  const { digest, algorithm } = SIGNATURES[key.type]
  const trustDomain = spiffeTrustDomain(certificate)
  const pathLen = certificate.basicConstraints?.pathLen
  return {
    certificate: certificate.der,
    key,
    keyType: key.type,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    authorityId,
    ...(pathLen === undefined ? {} : { pathLen }),
    ...(trustDomain === undefined ? {} : { trustDomain }),
    parts: {
      name: certificate.subjectName,
      algorithm,
      authorityKeyId: authorityKeyIdExtension(Buffer.from(authorityId, 'hex')),
    },
    digest,
    publicKey: certificate.x509.publicKey,
  }
}

/** Hex of the subject key identifier, computed where the certificate has none. */
export function authorityIdOf(certificate: ParsedCertificate): string {
  return certificate.subjectKeyId || keyIdentifier(certificate.spki).toString('hex')
}

/** The names in others' CA certificates need not be SPIFFE IDs, nor well-formed ones. */
function spiffeTrustDomain(certificate: ParsedCertificate): TrustDomain | undefined {
  const [uri = ''] = certificate.uriSans
  try {
    return trustDomainOf(parseSpiffeId(uri))
  } catch {
    return undefined
  }
}

/**
 * Issues an X.509-SVID leaf (rules XL-1 … XL-13) and verifies its own signature. Resolves to DER.
 * @throws SpindleError `request_invalid` or `spiffe_id_invalid` for what may not be issued
 */
export async function issueLeaf(issuer: Issuer, request: LeafRequest): Promise<Buffer> {
  const tbs = encodeTbs(issuer.parts, request)
  const trustDomain = trustDomainOf(request.spiffeId)
  if (issuer.trustDomain !== undefined && issuer.trustDomain !== trustDomain) {
    throw refused(
      `${request.spiffeId} is not of the authority's trust domain ${issuer.trustDomain}`,
    )
  }
  if (Math.floor(request.notAfter / 1000) * 1000 > issuer.notAfter) {
    throw refused(`${request.spiffeId}: the certificate would outlive its issuer`)
  }
  const signature = await signatureOf(issuer, tbs)
  if (!verify(issuer.digest, tbs, issuer.publicKey, signature)) {
    throw new SpindleError('internal', 'a signature just made does not verify; nothing was issued')
  }
  return encodeCertificate(tbs, issuer.parts.algorithm, signature)
}

/** A P-256 signature takes less time than handing it to the thread pool; all others would hold up everyone else. */
function signatureOf(issuer: Issuer, tbs: Buffer): Promise<Buffer> | Buffer {
  const { digest, key } = issuer
  if (key.type === 'ec-p256') return sign(digest, tbs, key.privateKey)
  return new Promise((resolve, reject) => {
    sign(digest, tbs, key.privateKey, (error, signature) => {
      if (error === null) resolve(signature)
      else reject(error)
    })
  })
}

/** Makes a self-signed CA certificate for `key` (rules XC-*). Resolves to DER. @throws SpindleError `request_invalid` */
export async function createRootCertificate(key: KeyPair, request: CaRequest): Promise<Buffer> {
  const { writeCaCertificate } = await generalLibrary()
  return writeCaCertificate(key, request, key)
}

/**
 * Makes an intermediate CA certificate for the public key of `subject`, signed by `issuer`, pathLen one less than the issuer's or absent. It ends with the issuer at the latest. Resolves to DER.
 * @throws SpindleError `request_invalid`
 */
export async function createIntermediateCertificate(
  issuer: Issuer,
  subject: Pick<KeyPair, 'spki'>,
  request: CaRequest,
): Promise<Buffer> {
  const { writeCaCertificate } = await generalLibrary()
  return writeCaCertificate(subject, request, issuer)
}

/** Loaded with the first CA certificate that is made: an agent that only issues leaves is spared its memory. */
const generalLibrary = (): Promise<typeof import('./ca.ts')> => import('./ca.ts')

function invalid(place: string, fault: string): SpindleError {
  return new SpindleError('certificate_invalid', `${place}: ${fault}`)
}
