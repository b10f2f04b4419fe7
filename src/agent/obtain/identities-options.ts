import type { X509Authority } from '../../authority/authority.ts'
import type { envoyFaults } from '../../certs/parse.ts'
import type { KeyType } from '../../certs/keys.ts'
import type { Entry } from '../../registration/entry.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { IdentityEvent, KeptIdentity } from './identity.ts'

export interface IdentitiesOptions {
  readonly authority: X509Authority
  readonly clock: Clock
  readonly random: Random
  readonly keyType: KeyType
  /** For entries that say none. */
  readonly ttlMs: number
  readonly onEvent?: (event: IdentityEvent) => void
  /**
   * Where many agents share what signs, what has an X.509-SVID yet is not renewed at the moment when that of all others is: after
   * it was away it is at instants spread over what is left of its life, and where an authority was tainted or a clock
   * jumped as `replacementDelay` says.
   */
  readonly spreads?: boolean
  /** What was kept of an entry's identity, such as from before a restart; undefined: nothing that is still valid. */
  readonly kept?: (entry: Entry) => KeptIdentity | undefined
  /** Why Envoy would refuse a certificate and key; empty: it would not. */
  readonly check?: typeof envoyFaults
}

/** What a held identity asks of those that hold it. */
export interface Keeper<Held> {
  /** Calls `held.issue()` soon. */
  queue(held: Held): void
  /** What `held.current` gives is another, or nothing any more. */
  changed(held: Held): void
  /** Nobody uses it any more and it is due: forgets it. */
  drop(held: Held): void
}
