/**
 * The server's TCP listener: TLS 1.2 or later, HTTP/2 alone. A client certificate is asked for and may be missing; one that is shown
 * is verified by our own rules, and whoever shows a bad one is told so by each of its calls before the connection ends.
 */
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import type { PeerServer, PeerServerOptions } from '../../wire/peer-server.ts'
import { createPeerServer } from '../../wire/peer-server.ts'
import type { Audit } from '../audit/audit.ts'
import { createHandshakes } from './handshake.ts'
import type { DoorKey, Secured } from './handshake.ts'
import type { PeerSvid, RemotePeer, ServerPeer } from './peer.ts'
import type { PeerVerifier } from './verify-peer.ts'

/** Why a connection was refused or ended. A closed set: it may label a metric. */
export type DoorRefusalReason =
  | 'connection_limit'
  | 'address_limit'
  | 'handshake_timeout'
  | 'handshake_failed'
  | 'svid_refused'
  | 'excess'

export interface DoorRefusal {
  readonly reason: DoorRefusalReason
  readonly address: string
  /** For the log. */
  readonly detail: string
}

export interface DoorConnection {
  readonly id: string
  readonly address: string
  /** undefined: no certificate, or a bad one. */
  readonly svid: PeerSvid | undefined
}

export interface DoorReport {
  opened(connection: DoorConnection): void
  /** `reason` is undefined when the client closed. */
  closed(connection: DoorConnection, reason: string | undefined): void
  refused(refusal: DoorRefusal): void
}

export interface DoorLimits {
  /** Of all addresses together, those in the handshake included. */
  readonly connections: number
  readonly connectionsPerAddress: number
  readonly streamsPerConnection: number
}

export interface DoorOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly key: DoorKey
  readonly limits: DoorLimits
  readonly clock: Clock
  readonly verifier: Pick<PeerVerifier, 'verify'>
  readonly gate: NonNullable<PeerServerOptions<ServerPeer>['gate']>
  readonly ended?: PeerServerOptions<ServerPeer>['ended']
  readonly audit: Audit
  readonly report: DoorReport
}

export interface Door {
  /** Services are added to it before `start`. */
  readonly server: PeerServer<ServerPeer>['server']
  peerOf(call: { getAuthContext(): unknown }): ServerPeer
  /** The certificate of handshakes from now on. Connections stay. */
  replaceKey(key: DoorKey): void
  /**
   * Begins to listen. Resolves to what is really bound, as `127.0.0.1:8081`.
   * @throws SpindleError `listen_failed`
   */
  start(): Promise<string>
  /** Accepts no more, lets what was written out, and closes what is left after a moment. End the streams first. */
  stop(): Promise<void>
}

/** 500 CSRs, or 1,000 entries of a batch, stay below it. */
const MOST_MESSAGE_BYTES = 16 * 2 ** 20
/**
 * Of who has shown no certificate, or a bad one, and so may attest or ask for the bundle: a proof with its chain of certificates, and
 * more calls at a time than either needs. What they send is kept while they stand in line.
 */
const OF_STRANGERS = { messageBytes: 128 * 2 ** 10, streams: 8 }
/** Connections of one identity that nobody takes the place of: an agent has one or two, a tool one a call. */
const MOST_KEPT = 64
/** An agent whose host went without a word does not hold its place for ever. */
const KEEPALIVE_MS = 60_000
const KEEPALIVE_TIMEOUT_MS = 30_000
/** From the handshake to the first call, and what a peer that may not call has to hear it. */
const SILENCE_MS = 10_000
/** Nobody attests for so long: in line for a minute, then some steps of half a minute each. */
const STRANGER_MS = 5 * 60_000
/** For the last frames of ended streams to leave. */
const DRAIN_MS = 500
/** Every agent of a fleet comes back at once after a restart. */
const BACKLOG = 4096

export function createDoor(options: DoorOptions): Door {
  const { clock, report } = options
  const open = new Map<string, Open>()
  const kept = new Map<SpiffeId, number>()
  /** Whether the place of a connection is kept for it. */
  const keeps = ({ svid, socket }: Open): boolean => {
    if (svid === undefined) return false
    const { spiffeId } = svid
    const before = kept.get(spiffeId) ?? 0
    if (before >= MOST_KEPT) return false
    kept.set(spiffeId, before + 1)
    socket.once('close', () => {
      const left = (kept.get(spiffeId) ?? 0) - 1
      if (left > 0) kept.set(spiffeId, left)
      else kept.delete(spiffeId)
    })
    return true
  }
  const transport = createPeerServer<ServerPeer>({
    maxStreamsPerConnection: options.limits.streamsPerConnection,
    maxReceiveBytes: MOST_MESSAGE_BYTES,
    keepaliveMs: KEEPALIVE_MS,
    keepaliveTimeoutMs: KEEPALIVE_TIMEOUT_MS,
    clock,
    gate: options.gate,
    ended: options.ended,
    limitsOf: (peer) => (isStranger(peer) ? OF_STRANGERS : undefined),
    excessive(id, why) {
      const one = open.get(id)
      if (one === undefined) return
      report.refused({ reason: 'excess', address: one.address, detail: why })
      one.destroy(why)
    },
  })
  let sequence = 0
  const secured = ({ socket, address, chain }: Secured): boolean => {
    sequence += 1
    const peer = peerBehind(options.verifier, address, chain)
    const one = new Open(`tcp:${sequence}`, { socket, address, peer })
    open.set(one.id, one)
    socket.once('close', () => open.delete(one.id))
    attend(one, options, transport)
    return keeps(one)
  }
  const handshakes = createHandshakes({ ...options, refused: report.refused, secured })
  const listener = createServer({ noDelay: true }, (socket) => handshakes.take(socket))
  return {
    server: transport.server,
    peerOf: transport.peerOf,
    replaceKey: (key) => handshakes.replaceKey(key),
    start: () => listen(listener, options.listen),
    async stop() {
      listener.close()
      handshakes.stop()
      await drained(open, clock)
      for (const one of open.values()) one.destroy('the server is shutting down')
      transport.close()
    },
  }
}

/** Hands a connection to gRPC, to be served or to be told why it is not, and ends one that says nothing. */
function attend(
  one: Open,
  { clock, audit, report }: DoorOptions,
  transport: PeerServer<ServerPeer>,
): void {
  const { id, peer, socket, address } = one
  const refused = peer instanceof SpindleError
  if (refused) {
    const [reason, detail] = [peer.code, peer.message]
    audit.write({ event: 'denied', caller: { kind: 'anonymous', address }, reason, detail })
    report.refused({ reason: 'svid_refused', address, detail })
  }
  report.opened(one)
  const silence = clock.after(SILENCE_MS, () => {
    if (refused) one.destroy(peer.message)
    else if (!transport.spoke(id)) one.destroy('no call within 10 s')
  })
  const age = isStranger(peer)
    ? clock.after(STRANGER_MS, () => one.destroy('no certificate was shown for 5 min'))
    : undefined
  socket.once('close', () => {
    silence.cancel()
    age?.cancel()
    report.closed(one, one.reason)
  })
  Object.defineProperty(socket, 'remoteAddress', { value: id })
  if (refused) transport.refuse(socket, id, peer)
  else transport.serve(socket, id, peer)
}

function peerBehind(
  verifier: DoorOptions['verifier'],
  address: string,
  chain: readonly Uint8Array[],
): RemotePeer | SpindleError {
  if (chain.length === 0) return { kind: 'remote', address, svid: undefined }
  try {
    return { kind: 'remote', address, svid: verifier.verify(chain) }
  } catch (thrown) {
    if (thrown instanceof SpindleError) return thrown
    return new SpindleError('internal', 'the client certificate could not be looked at', {
      cause: thrown,
    })
  }
}

function isStranger(peer: ServerPeer | SpindleError): boolean {
  return peer instanceof SpindleError || (peer.kind === 'remote' && peer.svid === undefined)
}

class Open implements DoorConnection {
  readonly id: string
  readonly address: string
  readonly socket: Socket
  readonly peer: RemotePeer | SpindleError
  /** Why this side ended it. */
  reason: string | undefined

  constructor(id: string, { socket, address, peer }: Pick<Open, 'socket' | 'address' | 'peer'>) {
    this.id = id
    this.socket = socket
    this.address = address
    this.peer = peer
  }

  get svid(): PeerSvid | undefined {
    return this.peer instanceof SpindleError ? undefined : this.peer.svid
  }

  destroy(reason: string): void {
    this.reason ??= reason
    this.socket.destroy()
  }
}

async function listen(listener: Server, { host, port }: DoorOptions['listen']): Promise<string> {
  try {
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ host, port, backlog: BACKLOG }, resolve)
    })
  } catch (thrown) {
    throw new SpindleError('listen_failed', `listen ${host}:${port}: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
  // A descriptor that is missing for one connection must not end the server.
  listener.on('error', () => undefined)
  const bound = listener.address() as AddressInfo
  return bound.family === 'IPv6'
    ? `[${bound.address}]:${bound.port}`
    : `${bound.address}:${bound.port}`
}

/** Resolves when no connection is left, or after DRAIN_MS. */
function drained(open: ReadonlyMap<string, Open>, clock: Clock): Promise<void> {
  if (open.size === 0) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.after(DRAIN_MS, resolve)
    for (const { socket } of open.values())
      socket.once('close', () => {
        if (open.size > 0) return
        timer.cancel()
        resolve()
      })
  })
}
