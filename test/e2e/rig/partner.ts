/** Another trust domain: a CA of its own, which signs peers and is handed over as a bundle. */
import { randomBytes } from 'node:crypto'
import { createIssuer, createRootCertificate, issueLeaf } from '../../../src/certs/issuer.ts'
import { generateKey } from '../../../src/certs/keys.ts'
import { readCertificatesPem, toPem } from '../../../src/certs/parse.ts'
import { serializeBundle } from '../../../src/spiffe/bundle.ts'
import type { SpiffeId, TrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { trustDomainId } from '../../../src/spiffe/spiffe-id.ts'

export interface Partner {
  /** PEM of its CA certificate. */
  readonly pem: string
  /** PEM of a certificate for `path` (`/billing`) of the trust domain, and its key. */
  sign(path: string): Promise<{ readonly cert: string; readonly key: string }>
}

const HOUR_MS = 3_600_000

export async function createPartner(trustDomain: string): Promise<Partner> {
  const id = trustDomainId(trustDomain as TrustDomain)
  const now = Date.now()
  const life = { notBefore: now - 60_000, notAfter: now + HOUR_MS }
  // Positive, and never with a zero byte in front.
  const serial = (): Buffer => Buffer.concat([Buffer.from([1]), randomBytes(15)])
  const caKey = await generateKey('ec-p256')
  const ca = await createRootCertificate(caKey, { trustDomainId: id, serial: serial(), ...life })
  const issuer = createIssuer(ca, caKey, "the partner's CA")
  return {
    pem: toPem(ca, 'CERTIFICATE'),
    async sign(path) {
      const key = await generateKey('ec-p256')
      const spiffeId = `${id}${path}` as SpiffeId
      const leaf = await issueLeaf(issuer, {
        spiffeId,
        dnsNames: [],
        spki: key.spki,
        serial: serial(),
        ...life,
        notAfter: life.notAfter - 60_000,
      })
      return { cert: toPem(leaf, 'CERTIFICATE'), key: toPem(key.pkcs8, 'PRIVATE KEY') }
    },
  }
}

/** A SPIFFE bundle document (JWKS) of the CA certificates in `pem`. */
export function bundleDocument(trustDomain: string, pem: string): string {
  return serializeBundle({
    trustDomain: trustDomain as TrustDomain,
    x509Authorities: pem === '' ? [] : readCertificatesPem(pem, trustDomain),
    jwtAuthorities: [],
  })
}
