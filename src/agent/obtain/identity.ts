import type { Entry } from '../../registration/entry.ts'
import type { IssuedX509Svid } from '../../authority/authority.ts'
import type { ErrorCode } from '../../runtime/errors.ts'

/** An entry with its current X.509-SVID and key. Checked by Envoy's rules before it exists. */
export interface Identity {
  readonly entry: Entry
  readonly svid: IssuedX509Svid
  /** DER PKCS#8. Secret. */
  readonly pkcs8: Buffer
  /** ms since the epoch: drawn once. */
  readonly renewAt: number
}

/** What an identity was, apart from its entry: one that goes on where it was left. */
export type KeptIdentity = Omit<Identity, 'entry'>

/** What happened, for the log and the metrics. Holds no key. */
export type IdentityEvent =
  | {
      readonly kind: 'issued'
      readonly entry: Entry
      /** Of one that had an X.509-SVID; false for a first one. */
      readonly renewal: boolean
      readonly svid: IssuedX509Svid
      /** From its key being made to its being current. */
      readonly tookMs: number
      /** From the renewal instant of the one before; undefined: a first one, or one renewed early. */
      readonly lagMs: number | undefined
    }
  | {
      readonly kind: 'failed'
      readonly entry: Entry
      readonly renewal: boolean
      /** `certificate_invalid`: it was issued, but Envoy would not take it. */
      readonly code: ErrorCode
      readonly message: string
      readonly retryMs: number
    }
  | { readonly kind: 'expired'; readonly entry: Entry; readonly notAfter: number }
  | { readonly kind: 'clock_jumped'; readonly byMs: number }
