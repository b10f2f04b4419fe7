/**
 * A grpc-js client over TLS of a server that is known by its X.509-SVID, not by a host name. The server's certificate is verified
 * twice: OpenSSL needs a path to one of `roots`, which alone makes it ask the caller, whose own rules decide.
 */
import { createSecureContext } from 'node:tls'
import type { DetailedPeerCertificate, PeerCertificate, SecureContext } from 'node:tls'
import { isIP } from 'node:net'
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { CallFault, callFault, noAnswer } from './call-fault.ts'
import { methodDefinition } from './service.ts'
import { endSilentPeers } from './silent-peers.ts'

export interface SecureClientOptions {
  /** A DNS name or an IP address; of a name with several addresses each is tried. */
  readonly host: string
  readonly port: number
  /** Sent as SNI where `host` is an address, which TLS has no place for. */
  readonly serverName: string
  /** PEM, one certificate each. undefined: whoever answers is taken, `verify` is not asked. */
  readonly roots: readonly string[] | undefined
  /** PEM. */
  readonly key?: { readonly chain: string; readonly key: string } | undefined
  /** Of the server's certificates, DER, leaf first. @throws SpindleError where they are not the server's */
  readonly verify: (chain: readonly Uint8Array[]) => void
  readonly clock: Clock
  /** Between PINGs while a call is open. Servers of grpc-go end a connection that brings one more often than each 5 min. */
  readonly keepaliveMs: number
  /** Where calls that are under way are, each as what ends it. */
  readonly underWay?: Set<() => void>
}

export interface BidiCall<I, O> {
  send(message: I): void
  /** Nothing more is sent. */
  end(): void
  /** Ends with the call. @throws CallFault */
  readonly messages: AsyncIterable<O>
  cancel(): void
}

export interface SecureClient {
  /** @throws CallFault */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: { readonly deadlineMs: number },
  ): Promise<MessageShape<O>>
  /** Without an end of its own unless `deadlineMs` says one. */
  bidi<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    options?: { readonly deadlineMs?: number },
  ): BidiCall<MessageInitShape<I>, MessageShape<O>>
  /** Calls that are under way go on. */
  close(): void
}

const KEEPALIVE_TIMEOUT_MS = 20_000
const MOST_MESSAGE_BYTES = 64 * 2 ** 20
/** Longer chains do not come from anywhere we know. */
const MOST_CHAIN = 16

export function createSecureClient(options: SecureClientOptions): SecureClient {
  const shown = options.host.includes(':')
    ? `[${options.host}]:${options.port}`
    : `${options.host}:${options.port}`
  /** What `verify` said of the connection that was tried last. */
  let refusal: SpindleError | undefined
  const client = new grpc.Client(
    targetOf(options.host, shown),
    grpc.credentials.createFromSecureContext(secureContext(options), {
      rejectUnauthorized: options.roots !== undefined,
      checkServerIdentity(_, certificate) {
        refusal = undefined
        if (options.roots === undefined) return undefined
        try {
          options.verify(chainOf(certificate))
          return undefined
        } catch (thrown) {
          refusal =
            thrown instanceof SpindleError
              ? thrown
              : new SpindleError('internal', messageOf(thrown), { cause: thrown })
          return refusal
        }
      },
    }),
    {
      'grpc.enable_channelz': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': MOST_MESSAGE_BYTES,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.keepalive_time_ms': options.keepaliveMs,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      // Node warns of an address here.
      ...(isIP(options.host) !== 0 && { 'grpc.ssl_target_name_override': options.serverName }),
    },
  )
  const { clock, underWay } = options
  const silent = endSilentPeers(options.port, clock)
  const faultOf = (failure: grpc.ServiceError): CallFault => callFault(failure, shown, refusal)
  return {
    call(method, request, { deadlineMs }) {
      const definition = methodDefinition(method)
      return new Promise((resolve, reject) => {
        let late = false
        const call = client.makeUnaryRequest(
          definition.path,
          definition.requestSerialize,
          definition.responseDeserialize,
          create(method.input, request),
          (failure, value) => {
            timer.cancel()
            underWay?.delete(cancel)
            if (failure === null) resolve(value as MessageShape<typeof method.output>)
            else reject(late ? noAnswer(shown, deadlineMs) : faultOf(failure))
          },
        )
        const cancel = (): void => call.cancel()
        underWay?.add(cancel)
        const timer = clock.after(deadlineMs, () => {
          late = true
          cancel()
        })
      })
    },
    bidi(method, { deadlineMs } = {}) {
      const definition = methodDefinition(method)
      const call = client.makeBidiStreamRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
      )
      let late = false
      const cancel = (): void => call.cancel()
      underWay?.add(cancel)
      const timer =
        deadlineMs === undefined
          ? undefined
          : clock.after(deadlineMs, () => {
              late = true
              cancel()
            })
      const over = (): void => {
        timer?.cancel()
        underWay?.delete(cancel)
      }
      call.on('close', over)
      // Whoever reads the messages hears of it there; nobody may be reading yet, or any more.
      call.on('error', over)
      const why = (thrown: unknown): CallFault =>
        late ? noAnswer(shown, deadlineMs ?? 0) : faultOf(thrown as grpc.ServiceError)
      return {
        send: (message) => void call.write(create(method.input, message)),
        end: () => call.end(),
        messages: messagesOf(call, why, over),
        cancel,
      }
    },
    close() {
      silent.close()
      client.close()
    },
  }
}

async function* messagesOf<O>(
  call: grpc.ClientDuplexStream<unknown, unknown>,
  why: (thrown: unknown) => CallFault,
  over: () => void,
): AsyncGenerator<O> {
  try {
    for await (const message of call) yield message as O
  } catch (thrown) {
    throw why(thrown)
  } finally {
    over()
    call.cancel()
  }
}

function secureContext({ roots, key }: SecureClientOptions): SecureContext {
  return createSecureContext({
    ca: [...(roots ?? [])],
    // An authority of a bundle need not be its own issuer.
    allowPartialTrustChain: true,
    minVersion: 'TLSv1.2',
    ...(key !== undefined && { cert: key.chain, key: key.key }),
  })
}

/** As the server sent them; where it sent what OpenSSL needed none of, that is among them too. */
function chainOf(certificate: PeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  let next: DetailedPeerCertificate | undefined = certificate as DetailedPeerCertificate
  while (next?.raw !== undefined && chain.length <= MOST_CHAIN) {
    chain.push(next.raw)
    const issuer: DetailedPeerCertificate | undefined = next.issuerCertificate
    // A root is its own issuer.
    next = issuer === next ? undefined : issuer
  }
  return chain
}

function targetOf(host: string, shown: string): string {
  const family = isIP(host)
  if (family === 0) return `dns:///${shown}`
  return family === 6 ? `ipv6:${shown}` : `ipv4:${shown}`
}
