/**
 * Accepts connections and knows each one's peer before a byte of it is read. The acceptor owns every peer's pidfd: it is
 * closed when the socket closes and at no other time.
 */
import type { Socket } from 'node:net'
import type { UnixListener } from '../../os/listen.ts'
import type { PeerFault, PeerHandle, PeerReader } from '../../os/peer-credentials.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Connection, Peer } from './connection.ts'

/** Why a connection was refused, or, for `excess`, ended for what it sent. A closed set: it labels a metric. */
export type RefusalReason =
  PeerFault | 'uid_limit' | 'connection_limit' | 'not_allowed' | 'excess' | 'closing'

export interface Refusal {
  readonly reason: RefusalReason
  /** For the log. */
  readonly detail: string
}

export interface ConnectionLimits {
  readonly connectionsPerUid: number
  /** Of all uids together. */
  readonly connections: number
}

/**
 * Makes a connection count as two, for the descriptors it needs beside its own, as long as it lives.
 * @returns false: that is too many; it is refused and ended
 */
export type Claim = () => boolean

export interface AcceptorOptions {
  readonly listener: Pick<UnixListener, 'accept'>
  readonly peers: PeerReader
  readonly clock: Clock
  readonly limits: ConnectionLimits
  /** Takes the socket over; its `remoteAddress` reads the connection's id. */
  readonly onConnection: (connection: Connection, socket: Socket, claim: Claim) => void
  readonly refused: (refusal: Refusal) => void
  /** `reason` is undefined when the peer closed. */
  readonly closed: (connection: Connection, reason: string | undefined) => void
  /** A peer held on to by less than the kernel's own pidfd (`attestation.pidfd: preferred`). */
  readonly weaklyHeld: (connection: Connection, handle: PeerHandle) => void
}

export interface Acceptor {
  readonly connections: ReadonlyMap<string, Connection>
  /** Accepts no more; what is open stays open. */
  stop(): void
  /** Also destroys what is open. */
  close(): void
}

/** ms. A dead peer's socket stays open while another process holds a copy of it: nothing tells, so this looks. */
const SWEEP_MS = 1_000

/** The socket and the pidfd. */
const DESCRIPTORS_A_CONNECTION = 2
/** For what the agent itself opens: files it reads and writes, /proc, operators, scrapers. */
const RESERVED_DESCRIPTORS = 256

/** Half of the process's descriptors for one uid. */
export function defaultConnectionsPerUid(openFilesLimit: number): number {
  return Math.max(1, Math.floor(openFilesLimit / 2 / DESCRIPTORS_A_CONNECTION))
}

/** As many as leave the agent descriptors to go on serving with. */
export function mostConnections(openFilesLimit: number): number {
  const reserved = Math.min(RESERVED_DESCRIPTORS, openFilesLimit * (3 / 4))
  return Math.max(1, Math.floor((openFilesLimit - reserved) / DESCRIPTORS_A_CONNECTION))
}

export function createAcceptor(options: AcceptorOptions): Acceptor {
  const { listener, peers, clock } = options
  const connections = new Map<string, AcceptedConnection>()
  const byUid = new Map<number, number>()
  /** Descriptors of how many connections are in use: some take as many as two. */
  let inUse = 0
  let sequence = 0
  let stopped = false

  const count = (uid: number, by: number): void => {
    inUse += by
    const left = (byUid.get(uid) ?? 0) + by
    if (left > 0) byUid.set(uid, left)
    else byUid.delete(uid)
  }
  const claim = (connection: AcceptedConnection): boolean => {
    if (connection.closed) return false
    const { uid } = connection.peer
    const open = byUid.get(uid) ?? 0
    const reason =
      inUse >= options.limits.connections
        ? 'connection_limit'
        : open >= options.limits.connectionsPerUid
          ? 'uid_limit'
          : undefined
    if (reason === undefined) {
      count(uid, 1)
      connection.claimed += 1
      return true
    }
    const detail = `uid ${uid} has ${open} of ${inUse} connections, and this one needs two`
    options.refused({ reason, detail })
    connection.destroy(detail)
    return false
  }

  const accept = (socket: Socket): void => {
    // A reset connection must not end the agent; HTTP/2 has its own listener for what it needs to know.
    socket.on('error', () => undefined)
    const refuse = (reason: RefusalReason, detail: string): void => {
      socket.destroy()
      options.refused({ reason, detail })
    }
    if (stopped) return refuse('closing', 'the agent is shutting down')
    if (inUse >= options.limits.connections)
      return refuse('connection_limit', `${inUse} connections are open already`)
    const reading = peers.read(socket)
    if ('fault' in reading) return refuse(reading.fault, reading.detail)
    const { peer, handle } = reading
    const open = byUid.get(peer.uid) ?? 0
    if (open >= options.limits.connectionsPerUid) {
      peers.release(peer)
      return refuse('uid_limit', `uid ${peer.uid} has ${open} connections already`)
    }
    sequence += 1
    const connection = new AcceptedConnection(`uds:${sequence}`, socket, {
      peer,
      peers,
      since: clock.now(),
    })
    connections.set(connection.id, connection)
    count(peer.uid, 1)
    connection.onClose(() => {
      connections.delete(connection.id)
      count(peer.uid, -connection.claimed)
      options.closed(connection, connection.reason)
    })
    Object.defineProperty(socket, 'remoteAddress', { value: connection.id })
    if (handle !== 'peer-pidfd') options.weaklyHeld(connection, handle)
    options.onConnection(connection, socket, () => claim(connection))
  }

  const sweep = (): void => {
    const ended = new Set(peers.ended(Array.from(connections.values(), ({ peer }) => peer)))
    for (const connection of connections.values()) {
      if (ended.has(connection.peer)) connection.destroy('the calling process has ended')
    }
  }
  let timer: Timer
  const scheduleSweep = (): void => {
    timer = clock.after(SWEEP_MS, () => {
      if (connections.size > 0) sweep()
      scheduleSweep()
    })
  }

  listener.accept(accept)
  scheduleSweep()
  return {
    connections,
    stop() {
      stopped = true
    },
    close() {
      stopped = true
      timer.cancel()
      for (const connection of connections.values())
        connection.destroy('the agent is shutting down')
    },
  }
}

interface Acceptance {
  readonly peer: Peer
  readonly peers: PeerReader
  readonly since: number
}

class AcceptedConnection implements Connection {
  readonly id: string
  readonly peer: Peer
  readonly since: number
  /** How many connections it counts as. */
  claimed = 1
  /** Why this side ended it. */
  reason: string | undefined
  readonly #socket: Socket
  readonly #peers: PeerReader
  readonly #closeListeners: (() => void)[] = []
  #closed = false

  constructor(id: string, socket: Socket, { peer, peers, since }: Acceptance) {
    this.id = id
    this.peer = peer
    this.since = since
    this.#socket = socket
    this.#peers = peers
    socket.once('close', () => this.#close())
  }

  get closed(): boolean {
    return this.#closed || this.#socket.destroyed
  }

  alive(): boolean {
    // The number of a closed pidfd may already be another descriptor's.
    return !this.#closed && this.#peers.alive(this.peer)
  }

  onClose(run: () => void): void {
    if (this.#closed) run()
    else this.#closeListeners.push(run)
  }

  destroy(reason: string): void {
    this.reason ??= reason
    this.#socket.destroy()
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#peers.release(this.peer)
    for (const run of this.#closeListeners) run()
  }
}
