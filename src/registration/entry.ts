import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts'
import type { Selector } from './selector.ts'

/** A registration: callers that have all of `selectors` may be `spiffeId`. */
export interface Entry {
  /** Stable while the entry says the same: two entries with equal content in one registry are one entry. */
  readonly id: string
  readonly spiffeId: SpiffeId
  /** At least one; sorted and unique. */
  readonly selectors: readonly Selector[]
  /** undefined: the agent's `svid.ttl`. */
  readonly x509SvidTtlMs?: number
  readonly dnsNames: readonly string[]
  readonly federatesWith: readonly TrustDomain[]
  /** '' for none. */
  readonly hint: string
  readonly default: boolean
}
