/** What a server signs with: its X.509 and JWT authorities, and its own X.509-SVID. */
import type { ServerX509Authority } from '../../authority/authority.ts'
import type { ServerJwtAuthority } from '../../authority/jwt/jwt-authority.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { DoorKey } from '../admit/handshake.ts'

/** The server's own X.509-SVID (`spiffe://<trust domain>/spire/server`). */
export interface ServerSvid extends DoorKey {
  /** ms since the epoch */
  readonly notBefore: number
  readonly notAfter: number
  readonly authorityId: string
}

export interface Issuing {
  /** Which of the servers on the store this one is. */
  readonly serverId: string
  readonly x509: ServerX509Authority
  readonly jwt: ServerJwtAuthority
  /** Renewed before it expires, and when its authority is tainted. */
  readonly svid: Feed<ServerSvid>
  close(): Promise<void>
}
