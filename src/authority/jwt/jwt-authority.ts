import type { JwtAuthorityJwk } from '../../jwt/keys.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import type { SlotView, Withdrawals } from '../authority.ts'

/** The keys a validator must have, and the slots behind them. */
export interface JwtAuthorityState {
  /** JWKs with `use: jwt-svid` of every slot; a slot's is the same object for as long as the slot is there. */
  readonly keys: readonly JwtAuthorityJwk[]
  readonly slots: readonly SlotView[]
  /** undefined: healthy; else why it cannot sign or rotate just now. */
  readonly fault?: string
}

export interface JwtRequest {
  readonly spiffeId: SpiffeId
  /** At least one. */
  readonly audience: readonly string[]
  readonly ttlMs: number
  /** Names the token (RFC 7519 4.1.7); undefined: nothing does. */
  readonly jti?: string | undefined
  /** Of the entry in a server's registry; undefined: it is from a file. */
  readonly entryId?: string
}

export interface IssuedJwtSvid {
  /** Compact JWS. A credential: never in a log. */
  readonly token: string
  /** ms since the epoch, whole seconds, as the token says. */
  readonly issuedAt: number
  /** Never beyond that of the key. */
  readonly expiresAt: number
  /** The `kid`. */
  readonly authorityId: string
}

/** What signs JWT-SVIDs, its keys published before they sign. One contract suite runs over it (test/contract). */
export interface JwtAuthority {
  readonly state: Feed<JwtAuthorityState>
  /** @throws SpindleError `authority_unavailable`, `request_invalid` */
  issue(request: JwtRequest): Promise<IssuedJwtSvid>
  /** Prepares a next key now (if none is prepared) and publishes it. */
  prepare(): Promise<void>
  /** Lets the prepared key sign from now on. */
  activate(): Promise<void>
  /** Prepares a next key (if none is prepared), which signs by itself as soon as it was published for long enough. */
  replace(): Promise<void>
  close(): Promise<void>
}

/** As a server has it. */
export interface ServerJwtAuthority extends JwtAuthority, Withdrawals {}
