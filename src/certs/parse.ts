import type { CertificateFacts } from '../spiffe/x509-svid.ts'
import type { TrustDomain, SpiffeId } from '../spiffe/spiffe-id.ts'
import { SpindleError } from '../runtime/errors.ts'

export interface ParsedCertificate extends CertificateFacts {
  readonly der: Buffer
  /** Upper-case hex without separators. */
  readonly serial: string
  readonly subject: string
  readonly issuer: string
  /** Hex; '' where absent. */
  readonly subjectKeyId: string
  readonly authorityKeyId: string
}

/** @throws SpindleError `certificate_invalid` naming `place`. */
export function parseCertificate(_der: Uint8Array, _place: string): ParsedCertificate {
  throw new SpindleError('internal', 'unwritten')
}
/** Reads every CERTIFICATE block of a PEM text, in order. Anything else in it, or none at all, is a fault. */
export function readCertificatesPem(_pem: string, _place: string): readonly Buffer[] {
  throw new SpindleError('internal', 'unwritten')
}
export function toPem(_der: Uint8Array, _label: 'CERTIFICATE' | 'PRIVATE KEY' | 'PUBLIC KEY'): string {
  throw new SpindleError('internal', 'unwritten')
}

/** Validates an X.509-SVID chain (leaf first) against the authorities of its own trust domain (XV-*). Returns its SPIFFE ID. */
export function verifyX509Svid(
  _chain: readonly Uint8Array[],
  _bundles: ReadonlyMap<TrustDomain, readonly Uint8Array[]>,
  _options: { readonly now: number; readonly mode: 'lenient' | 'strict' },
): SpiffeId {
  throw new SpindleError('internal', 'unwritten')
}

/**
 * Whether Envoy would take this certificate and key (reference table A.4): key fits leaf, leaf first and no CA, a kind
 * and size of key BoringSSL serves, inside its lifetime at `now`. Returns the faults; empty means it may be sent.
 */
export function envoyFaults(
  _svid: { readonly chain: readonly Uint8Array[]; readonly pkcs8: Uint8Array },
  _now: number,
): readonly string[] {
  throw new SpindleError('internal', 'unwritten')
}
