/**
 * A gRPC server whose every call knows the connection it came on, and so who is at its other end: what the kernel says of a
 * Unix socket's, or what a TLS handshake proved. grpc-js copies a socket's `remoteAddress` into the call's ConnectionInfo; the
 * acceptor puts the connection's id there, and one interceptor turns it back into the connection (peer-credentials: public API
 * only, grpc-js 1.14 or later).
 */
import type { Socket } from 'node:net'
import * as grpc from '@grpc/grpc-js'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import { createInbound } from './inbound.ts'
import type { InboundLimits } from './inbound.ts'
import { statusOf } from './status.ts'
import type { Refusal } from './status.ts'

export interface PeerServer<P> {
  readonly server: grpc.Server
  /** Hands an accepted socket, a Unix or a TLS one, to HTTP/2. Its `remoteAddress` must read `id`. */
  serve(socket: Socket, id: string, peer: P): void
  /** The same for a peer that may not call: each call is answered with `why`, which a closed connection could not say. */
  refuse(socket: Socket, id: string, why: SpindleError): void
  /** True once a call has arrived on the connection. */
  spoke(id: string): boolean
  /** The peer of a call. */
  peerOf(call: { getAuthContext(): unknown }): P
  /** Closes what is left of every connection at once. End the streams first. */
  close(): void
}

/** Why a call with this metadata is refused; undefined: it is not. */
export type CallCheck = (
  metadata: grpc.Metadata,
) => Refusal | undefined | Promise<Refusal | undefined>

export interface PeerServerOptions<P = unknown> {
  readonly maxStreamsPerConnection: number
  readonly maxReceiveBytes: number
  readonly keepaliveMs: number
  readonly keepaliveTimeoutMs: number
  readonly clock: Clock
  /** Stands before every service: what a call of `path` must pass; undefined: nothing. */
  readonly gate?: (path: string, peer: P) => CallCheck | undefined
  /** Of the connection of a peer, or of one that may not call; undefined: those above alone. */
  readonly limitsOf?: (peer: P | SpindleError) => InboundLimits | undefined
  /** A connection has sent what no client has reason to send: it is to be closed. */
  readonly excessive: (id: string, why: string) => void
  /** Told of each call of a method there is at its end, also of one that was refused. */
  readonly ended?: ((call: EndedCall) => void) | undefined
}

export interface EndedCall {
  /** `/package.Service/Method` */
  readonly path: string
  /** gRPC status; CANCELLED: the client left. */
  readonly code: number
  readonly tookMs: number
  readonly isStream: boolean
}

/** Of all connections together: 1,000 Envoys that say their first 61 KB in one moment stay below it. */
const MOST_UNFINISHED_BYTES = 64 * 2 ** 20
/** Ten thousand calls a second, with their windows, are 2 MiB of such frames. */
const MOST_CONTROL_BYTES_PER_SECOND = 8 * 2 ** 20

interface PeerContext<P> extends ReturnType<
  grpc.ServerInterceptingCallInterface['getAuthContext']
> {
  readonly peer: P
}

/**
 * The call, which knows its peer from here on. One put around it for that alone would take part in each message: a tenth of the
 * CPU time of a FetchSecrets. What an interceptor gives back is typed as the class, and taken by its interface.
 */
function knowing<P>(
  peer: P,
  call: grpc.ServerInterceptingCallInterface,
): grpc.ServerInterceptingCall {
  call.getAuthContext = (): PeerContext<P> => ({ peer })
  return call as grpc.ServerInterceptingCall
}

/** A call that never reaches a service. */
function refusing(
  inner: grpc.ServerInterceptingCallInterface,
  why: SpindleError,
): grpc.ServerInterceptingCall {
  return new grpc.ServerInterceptingCall(inner, {
    start(next) {
      next()
      inner.sendStatus(statusOf(why))
    },
  })
}

/** A call that reaches its service only if its check has nothing against it. */
function checking(
  inner: grpc.ServerInterceptingCallInterface,
  check: CallCheck,
): grpc.ServerInterceptingCall {
  return new grpc.ServerInterceptingCall(inner, {
    start(next) {
      next({
        onReceiveMetadata(metadata, pass) {
          const settle = (why: Refusal | undefined): void => {
            if (why === undefined) pass(metadata)
            else inner.sendStatus(statusOf(why))
          }
          const why = check(metadata)
          if (why instanceof Promise) why.then(settle, (thrown) => settle(refusalOf(thrown)))
          else settle(why)
        },
      })
    },
  })
}

/** Tells of a call's end, whoever ends it. */
function telling(
  { path, requestStream, responseStream }: grpc.ServerMethodDefinition<unknown, unknown>,
  inner: grpc.ServerInterceptingCallInterface,
  { clock, ended }: { readonly clock: Clock; readonly ended: (call: EndedCall) => void },
): grpc.ServerInterceptingCall {
  const begun = clock.monotonic()
  const isStream = requestStream || responseStream
  let told = false
  const tell = (code: number): void => {
    if (told) return
    told = true
    ended({ path, code, tookMs: clock.monotonic() - begun, isStream })
  }
  return new grpc.ServerInterceptingCall(inner, {
    start: (next) => next({ onCancel: () => tell(grpc.status.CANCELLED) }),
    sendStatus(status, next) {
      tell(status.code)
      next(status)
    },
  })
}

/** A check that cannot say whether a call may pass lets none pass. */
function refusalOf(thrown: unknown): SpindleError {
  if (thrown instanceof SpindleError) return thrown
  return new SpindleError('internal', 'the call could not be checked', { cause: thrown })
}

export function createPeerServer<P extends object>(options: PeerServerOptions<P>): PeerServer<P> {
  const { gate, clock, ended } = options
  const connections = new Map<string, { readonly peer: P | SpindleError; spoke: boolean }>()
  // Of a connection that nobody accepted here.
  const unknown = new SpindleError('peer_gone', 'the caller is not known')
  const server = new grpc.Server({
    'grpc.enable_channelz': 0,
    'grpc.max_concurrent_streams': options.maxStreamsPerConnection,
    'grpc.max_receive_message_length': options.maxReceiveBytes,
    'grpc.keepalive_time_ms': options.keepaliveMs,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs,
    interceptors: [
      ...(ended === undefined
        ? []
        : [
            (
              method: grpc.ServerMethodDefinition<unknown, unknown>,
              call: grpc.ServerInterceptingCallInterface,
            ) => telling(method, call, { clock, ended }),
          ]),
      (method, call) => {
        const connection = connections.get(call.getConnectionInfo().remoteAddress ?? '')
        if (connection !== undefined) connection.spoke = true
        const peer = connection?.peer ?? unknown
        if (peer instanceof SpindleError) return refusing(call, peer)
        const check = gate?.(method.path, peer)
        return knowing(peer, check === undefined ? call : checking(call, check))
      },
    ],
  })
  const inbound = createInbound({
    clock: options.clock,
    mostUnfinishedBytes: MOST_UNFINISHED_BYTES,
    mostControlBytesPerSecond: MOST_CONTROL_BYTES_PER_SECOND,
    excessive: options.excessive,
  })
  const take = (socket: Socket, id: string, peer: P | SpindleError): void => {
    connections.set(id, { peer, spoke: false })
    socket.once('close', () => connections.delete(id))
    inbound.watch(socket, id, options.limitsOf?.(peer))
    injector.injectConnection(socket)
  }
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
  return {
    server,
    serve: take,
    refuse: take,
    spoke: (id) => connections.get(id)?.spoke ?? false,
    peerOf: (call) => (call.getAuthContext() as PeerContext<P>).peer,
    close() {
      inbound.close()
      injector.destroy()
      server.forceShutdown()
    },
  }
}
