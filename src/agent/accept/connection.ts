import type { PeerCredentials } from '../../os/peer-credentials.ts'

/** The process that called connect(2), as the kernel recorded it then. */
export type Peer = PeerCredentials

/** One accepted connection: the owner of its peer's descriptor. */
export interface Connection {
  /** Unique in the life of the agent. */
  readonly id: string
  readonly peer: Peer
  /** ms since the epoch */
  readonly since: number
  /** False once the peer's process has ended. */
  alive(): boolean
  readonly closed: boolean
  onClose(run: () => void): void
  /** Destroys the socket; the reason is counted and logged. */
  destroy(reason: string): void
}
