import type { KeyPair } from '../certs/keys.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import type { Feed } from '../runtime/feed.ts'

/**
 * prepared: published, not signing yet · active: signs · old: still trusted, signs no more (SPIRE's slots) · tainted: old,
 * and to be trusted no more soon: what it signed is signed anew.
 */
export type SlotStatus = 'prepared' | 'active' | 'old' | 'tainted'

export interface SlotView {
  /** Hex of the subject key identifier of its CA certificate, or the `kid` of its key. */
  readonly authorityId: string
  readonly status: SlotStatus
  /** ms since the epoch */
  readonly notBefore: number
  readonly notAfter: number
  /** When it begins to sign by itself; undefined for all but prepared ones. */
  readonly activatesAt?: number
}

/** ms since the epoch */
export interface Life {
  readonly notBefore: number
  readonly notAfter: number
}

/** What happened, for the log and the metrics. Holds no key. */
export type AuthorityEvent =
  | {
      readonly kind: 'prepared' | 'activated' | 'pruned' | 'tainted' | 'revoked'
      readonly authorityId: string
      /** ms since the epoch */
      readonly notAfter: number
    }
  | { readonly kind: 'issued'; readonly tookMs: number }
  | { readonly kind: 'failed'; readonly message: string; readonly retryMs: number }
  | { readonly kind: 'unsaved'; readonly message: string }
  | { readonly kind: 'state_set_aside'; readonly movedTo: string; readonly reason: string }
  | { readonly kind: 'reloaded' }
  | { readonly kind: 'reload_failed'; readonly message: string }

/** The trust anchors (DER) callers must have, and the slots behind them. */
export interface AuthorityState {
  readonly anchors: readonly Uint8Array[]
  readonly slots: readonly SlotView[]
  /** Those of the anchors that will be trusted no more soon: what leads to them is to be signed anew. undefined: none. */
  readonly taintedAnchors?: readonly Uint8Array[]
  /** Of the operator's CA and what is above it, whichever certificate ends first; undefined: nothing is above the slots. */
  readonly attached?: Life
  /** undefined: healthy; else why it cannot sign or rotate just now. */
  readonly fault?: string
}

export interface X509Request {
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  readonly spki: Uint8Array
  readonly ttlMs: number
  /** What a server is asked with; undefined: the entry is from a file. */
  readonly onServer?: {
    /** Of the entry, in its registry. */
    readonly entryId: string
    /** That of `spki`: it signs the request, and does not leave the process. */
    readonly key: KeyPair
  }
}

export interface IssuedX509Svid {
  /** DER, leaf first, intermediates after it; never the trust anchor. */
  readonly chain: readonly Buffer[]
  readonly notBefore: number
  /** Never beyond that of any certificate of its chain. */
  readonly notAfter: number
  readonly issuedAt: number
  readonly authorityId: string
}

/** What signs. One contract suite runs over each kind (test/contract). */
export interface X509Authority {
  readonly state: Feed<AuthorityState>
  /** @throws SpindleError `authority_unavailable` */
  issue(request: X509Request): Promise<IssuedX509Svid>
  /** Prepares a next authority now (if none is prepared) and publishes it. */
  prepare(): Promise<void>
  /** Lets the prepared authority sign from now on. */
  activate(): Promise<void>
  /** Re-reads what it was configured from (SIGHUP). */
  reload(): Promise<void>
  close(): Promise<void>
}

/** Taking back an authority that signs no more; each change is stored before it is told. */
export interface Withdrawals {
  /**
   * What it signed is to be signed anew; it stays in the bundle. Nothing where it is tainted already.
   * @throws SpindleError `request_invalid` where it is not old, `precondition_failed` where its anchor is somebody else's,
   * `authority_unavailable` where it is done but could not be stored, which is tried again by itself
   */
  taint(authorityId: string): Promise<void>
  /** Takes it out of the bundle, tainted or not: whatever it signed is void. @throws SpindleError as `taint` */
  revoke(authorityId: string): Promise<void>
}

/** For the CA of a server below this one, in the same trust domain. */
export interface DownstreamCaRequest {
  /** DER, whose private half the asker has shown to have (`certs/csr`). */
  readonly spki: Uint8Array
  readonly ttlMs: number
}

/** As an SVID, but that the first certificate of `chain` is a CA. */
export type IssuedCa = IssuedX509Svid

/** As a server has it. */
export interface ServerX509Authority extends X509Authority, Withdrawals {
  /**
   * Its name, trust domain and extensions are decided here; it ends with what signs it at the latest.
   * @throws SpindleError `request_invalid`; `precondition_failed` where a certificate above allows no CA below;
   * `authority_unavailable`
   */
  issueCa(request: DownstreamCaRequest): Promise<IssuedCa>
}
