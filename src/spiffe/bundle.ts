import type { TrustDomain } from './spiffe-id.ts'
import { SpindleError } from '../runtime/errors.ts'

/** The authorities of one trust domain (Trust_Domain_and_Bundle 3, 4). */
export interface Bundle {
  readonly trustDomain: TrustDomain
  /** DER certificates. */
  readonly x509Authorities: readonly Uint8Array[]
  /** JWKs with `use: jwt-svid`, each with its `kid`. */
  readonly jwtAuthorities: readonly Readonly<Record<string, unknown>>[]
  readonly sequence?: bigint
  readonly refreshHintSeconds?: number
}

export interface ParsedBundle {
  readonly bundle: Bundle
  /** What was passed over, and why (BF-7, BF-11): one line each. */
  readonly ignored: readonly string[]
}

/** Reads a SPIFFE bundle document. @throws SpindleError `bundle_invalid` naming the place. */
export function parseBundle(_trustDomain: TrustDomain, _text: string): ParsedBundle {
  throw new SpindleError('internal', 'unwritten')
}
/** Writes a SPIFFE bundle document (JSON, one trailing newline). */
export function serializeBundle(_bundle: Bundle): string {
  throw new SpindleError('internal', 'unwritten')
}
