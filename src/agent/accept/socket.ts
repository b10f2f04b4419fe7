/** A listening Unix socket whose calls know their peer: acceptor and gRPC server as one thing with one end. */
import type { Libc } from '../../os/libc.ts'
import { listenUnix } from '../../os/listen.ts'
import type { PeerHandle, PeerReader } from '../../os/peer-credentials.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { PeerServer, PeerServerOptions } from '../../wire/peer-server.ts'
import { createPeerServer } from '../../wire/peer-server.ts'
import type { ConnectionLimits, Refusal } from './acceptor.ts'
import { createAcceptor } from './acceptor.ts'
import type { Connection } from './connection.ts'
import { createIntake } from './intake.ts'

export interface ConnectionReport {
  opened(connection: Connection): void
  closed(connection: Connection, reason: string | undefined): void
  refused(refusal: Refusal): void
  weaklyHeld(connection: Connection, handle: PeerHandle): void
}

export interface SocketOptions<P extends object> {
  readonly libc: Libc
  readonly peers: PeerReader
  readonly clock: Clock
  readonly limits: ConnectionLimits & { readonly streamsPerConnection: number }
  readonly path: string
  readonly mode: number
  readonly folderMode: number
  /** Who the peer is to the services, or why it may not call. */
  readonly welcome: (connection: Connection) => P | SpindleError
  readonly gate?: NonNullable<PeerServerOptions<P>['gate']>
  readonly ended?: PeerServerOptions<P>['ended']
  readonly report: ConnectionReport
}

export interface LocalSocket<P> {
  readonly server: PeerServer<never>['server']
  readonly connections: ReadonlyMap<string, Connection>
  peerOf(call: { getAuthContext(): unknown }): P
  /** Begins to accept. Connections made before wait in the kernel. */
  start(): void
  /** Accepts no connection and no call any more, lets what was written out, and closes what is left after a moment. */
  stop(): Promise<void>
}

/** Envoy's first message is 61 KB; a flood of names is refused by its number, not by this. */
const MOST_MESSAGE_BYTES = 4 * 2 ** 20
/** A client that neither reads nor answers for this long does not hold its descriptors for ever. */
const KEEPALIVE_MS = 60_000
const KEEPALIVE_TIMEOUT_MS = 30_000
/** From accept to the first call, and what a peer that may not call has to hear it. */
const SILENCE_MS = 10_000
/** For the last frames of ended streams to leave. */
const DRAIN_MS = 500
/** To clients that come back meanwhile on a connection they have: what is begun now would break off. */
const STOPPING = new SpindleError('not_ready', 'the agent is shutting down')

export async function openSocket<P extends object>(
  options: SocketOptions<P>,
): Promise<LocalSocket<P>> {
  const { libc, peers, clock, limits, path, report } = options
  const listener = await listenUnix(libc, path, {
    mode: options.mode,
    folderMode: options.folderMode,
  })
  let stopping = false
  const transport = createPeerServer<P>({
    maxStreamsPerConnection: limits.streamsPerConnection,
    maxReceiveBytes: MOST_MESSAGE_BYTES,
    keepaliveMs: KEEPALIVE_MS,
    keepaliveTimeoutMs: KEEPALIVE_TIMEOUT_MS,
    clock,
    ended: options.ended,
    gate: (path, peer) => (stopping ? () => STOPPING : options.gate?.(path, peer)),
    excessive(id, why) {
      const connection = acceptor?.connections.get(id)
      if (connection === undefined) return
      const { pid, uid } = connection.peer
      report.refused({ reason: 'excess', detail: `pid ${pid} of uid ${uid} ${why}` })
      connection.destroy(why)
    },
  })
  const intake = createIntake({ libc, clock })
  let acceptor: ReturnType<typeof createAcceptor> | undefined
  const none: ReadonlyMap<string, Connection> = new Map()
  return {
    server: transport.server,
    get connections() {
      return acceptor?.connections ?? none
    },
    peerOf: transport.peerOf,
    start() {
      acceptor = createAcceptor({
        listener,
        peers,
        clock,
        limits,
        onConnection(connection, socket, claim) {
          report.opened(connection)
          const peer = options.welcome(connection)
          const refused = peer instanceof SpindleError
          const silence = clock.after(SILENCE_MS, () => {
            if (refused) connection.destroy(peer.message)
            else if (!transport.spoke(connection.id)) connection.destroy('no call within 10 s')
          })
          connection.onClose(() => silence.cancel())
          if (refused) report.refused({ reason: 'not_allowed', detail: peer.message })
          intake({ connection, socket, claim }, (taken) => {
            if (refused) transport.refuse(taken, connection.id, peer)
            else transport.serve(taken, connection.id, peer)
          })
        },
        refused: report.refused,
        closed: report.closed,
        weaklyHeld: report.weaklyHeld,
      })
    },
    async stop() {
      stopping = true
      acceptor?.stop()
      listener.close()
      await drained(acceptor?.connections ?? none, clock)
      acceptor?.close()
      transport.close()
    },
  }
}

/** Resolves when no connection is left, or after DRAIN_MS. */
function drained(connections: ReadonlyMap<string, Connection>, clock: Clock): Promise<void> {
  if (connections.size === 0) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.after(DRAIN_MS, resolve)
    for (const connection of connections.values())
      connection.onClose(() => {
        if (connections.size > 0) return
        timer.cancel()
        resolve()
      })
  })
}
