import type { Match } from '../../registration/match.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { Connection } from '../accept/connection.ts'
import type { Attestation } from '../attest/attestor.ts'

/** What is known of a caller just now. */
export interface CallerState {
  /** undefined until the first attestation, and again while a program that was exec'd is attested. */
  readonly attestation: Attestation | undefined
  readonly match: Match
  /** Why nothing can be said to be absent yet; undefined once entries are loaded and every selector that matters is known. */
  readonly undecided: string | undefined
  /** While undecided: when it is attested again by itself (ms since the epoch), where that is known. */
  readonly retryAt?: number
}

/** A connection with the entries its process matches. */
export interface Caller {
  readonly connection: Connection
  readonly state: Feed<CallerState>
  /**
   * Looks, cheaply, whether the caller is still the process that was attested; call it before anything is given. False:
   * the peer is gone and the connection with it. A process that runs another program is attested anew, and until then
   * its state is undecided.
   */
  check(): boolean
}

export const NOTHING_MATCHED: Match = { entries: [], undecided: [], possible: [] }
