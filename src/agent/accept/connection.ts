/** What the kernel says of the process that called connect(2) (SO_PEERCRED, SO_PEERPIDFD). */
export interface Peer {
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** undefined only where `attestation.pidfd: preferred` had to fall back. */
  readonly pidfd?: number
  /** Clock ticks since boot (field 22 of /proc/PID/stat): with the pid it names one process. */
  readonly startTime: string
}

/** One accepted connection: the owner of its peer's descriptor. */
export interface Connection {
  /** Unique in the life of the agent. */
  readonly id: string
  readonly peer: Peer
  /** ms since the epoch */
  readonly since: number
  /** False once the peer's process has ended (0.3 us). */
  alive(): boolean
  readonly closed: boolean
  onClose(run: () => void): void
  /** Destroys the socket; the reason is counted and logged. */
  destroy(reason: string): void
}
