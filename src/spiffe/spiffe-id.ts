import { SpindleError } from '../runtime/errors.ts'

declare const spiffeId: unique symbol
declare const trustDomain: unique symbol

/** A checked SPIFFE ID (SPIFFE-ID 2). Equal IDs are equal strings. */
export type SpiffeId = string & { readonly [spiffeId]: true }
/** A checked trust domain name, such as `example.org` (SPIFFE-ID 2.1). */
export type TrustDomain = string & { readonly [trustDomain]: true }

/** @throws SpindleError `spiffe_id_invalid` naming the clause that is broken. */
export function parseSpiffeId(_text: string): SpiffeId {
  throw new SpindleError('internal', 'unwritten')
}
/** @throws SpindleError `spiffe_id_invalid` */
export function parseTrustDomain(_text: string): TrustDomain {
  throw new SpindleError('internal', 'unwritten')
}
/** `spiffe://example.org` for `example.org`. */
export function trustDomainId(_name: TrustDomain): SpiffeId {
  throw new SpindleError('internal', 'unwritten')
}
export function trustDomainOf(_id: SpiffeId): TrustDomain {
  throw new SpindleError('internal', 'unwritten')
}
/** True where the ID has a path, so that it can name a workload (X509-SVID 3.1). */
export function isWorkloadId(_id: SpiffeId): boolean {
  throw new SpindleError('internal', 'unwritten')
}
