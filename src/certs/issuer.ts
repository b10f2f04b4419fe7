import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import type { KeyPair, KeyType } from './keys.ts'
import { SpindleError } from '../runtime/errors.ts'

/** A signing certificate with its key, prepared for fast signing. */
export interface Issuer {
  readonly certificate: Buffer
  readonly key: KeyPair
  readonly keyType: KeyType
  /** ms since the epoch */
  readonly notBefore: number
  readonly notAfter: number
  /** Hex of the subject key identifier: the authority's id, as SPIRE names it. */
  readonly authorityId: string
}

/** @throws SpindleError `certificate_invalid` when key and certificate do not fit or the certificate may not sign. */
export function createIssuer(_certificateDer: Uint8Array, _key: KeyPair, _place: string): Issuer {
  throw new SpindleError('internal', 'unwritten')
}

export interface LeafRequest {
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  readonly spki: Uint8Array
  /** ms since the epoch, cut to whole seconds */
  readonly notBefore: number
  readonly notAfter: number
  /** Positive, at most 20 bytes in DER. */
  readonly serial: Uint8Array
}

/** Issues an X.509-SVID leaf (rules XL-1 … XL-13) and verifies its own signature. Resolves to DER. @throws SpindleError */
export async function issueLeaf(_issuer: Issuer, _request: LeafRequest): Promise<Buffer> {
  throw new SpindleError('internal', 'unwritten')
}

export interface CaRequest {
  readonly trustDomainId: SpiffeId
  readonly notBefore: number
  readonly notAfter: number
  readonly serial: Uint8Array
  /** CN of the subject; O is `SPIFFE`, C is `US`, as SPIRE's. A serialNumber attribute keeps subjects of rotations apart. */
  readonly commonName?: string
}
/** Makes a self-signed CA certificate for `key` (rules XC-*). Resolves to DER. */
export async function createRootCertificate(_key: KeyPair, _request: CaRequest): Promise<Buffer> {
  throw new SpindleError('internal', 'unwritten')
}
/** Makes an intermediate CA certificate for `key`, signed by `issuer`, pathLen one less than the issuer's or absent. */
export async function createIntermediateCertificate(
  _issuer: Issuer,
  _key: KeyPair,
  _request: CaRequest,
): Promise<Buffer> {
  throw new SpindleError('internal', 'unwritten')
}
