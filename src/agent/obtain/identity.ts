import type { Entry } from '../../registration/entry.ts'
import type { IssuedX509Svid } from '../../authority/authority.ts'

/** An entry with its current X.509-SVID and key. Checked by Envoy's rules before it exists. */
export interface Identity {
  readonly entry: Entry
  readonly svid: IssuedX509Svid
  /** DER PKCS#8. Secret. */
  readonly pkcs8: Buffer
  /** ms since the epoch: drawn once. */
  readonly renewAt: number
}
