import type { SpiffeId } from './spiffe-id.ts'
import { SpindleError } from '../runtime/errors.ts'

/** What the X509-SVID rules look at, read from a certificate by `certs/`. */
export interface CertificateFacts {
  readonly uriSans: readonly string[]
  readonly dnsSans: readonly string[]
  readonly subjectEmpty: boolean
  readonly sanCritical: boolean
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLen?: number }
  /** undefined: no such extension. Names as in RFC 5280 4.2.1.3, such as `digitalSignature`. */
  readonly keyUsage?: { readonly critical: boolean; readonly usages: readonly string[] }
  /** Dotted OIDs; undefined: no such extension. */
  readonly extendedKeyUsage?: readonly string[]
  /** ms since the epoch */
  readonly notBefore: number
  readonly notAfter: number
}

/** The rules a leaf breaks, by the conformance ids (XL-1 …, XV-2 …) with a sentence each; empty when it is a valid leaf. */
export function leafFaults(_facts: CertificateFacts, _mode: 'lenient' | 'strict'): readonly string[] {
  throw new SpindleError('internal', 'unwritten')
}
/** The same for a signing certificate (XC-1 …). `own` also applies what only a certificate of our making must keep. */
export function signingCertificateFaults(_facts: CertificateFacts, _mode: 'own' | 'external'): readonly string[] {
  throw new SpindleError('internal', 'unwritten')
}
/** The SPIFFE ID of a valid leaf. @throws SpindleError `certificate_invalid` */
export function spiffeIdOf(_facts: CertificateFacts): SpiffeId {
  throw new SpindleError('internal', 'unwritten')
}
