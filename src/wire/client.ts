/** A grpc-js client of services at one address: a deadline on every call that ends by itself, a signal for those that do not. */
import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import type { Clock } from '../runtime/clock.ts'
import { systemClock } from '../runtime/clock.ts'
import type { SpindleError } from '../runtime/errors.ts'
import { methodDefinition } from './service.ts'
import { errorOfStatus } from './status.ts'

/** Where a service listens: a path, or an IP address and a port. No name that something would have to resolve. */
export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }

export interface ClientOptions {
  readonly clock?: Clock
  /** Sent with each call, as it is. */
  readonly headers?: Readonly<Record<string, string>>
  /** What a call that failed throws, `target` being the address as text. */
  readonly errorOf?: (failure: grpc.ServiceError, target: string) => SpindleError
}

export interface RpcClient {
  /** @throws SpindleError: the server's own code where it sent one, else `unreachable` or `internal`. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: { readonly deadlineMs: number },
  ): Promise<MessageShape<O>>
  /**
   * The messages of a call that the server ends, or `signal` does: then it is simply over. What was not taken yet is held
   * back at the server.
   * @throws SpindleError as `call` does, also when the connection is lost
   */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<MessageShape<O>>
  close(): void
}

export function createUnixClient(socketPath: string, clock?: Clock): RpcClient {
  return createRpcClient({ kind: 'unix', path: socketPath }, clock === undefined ? {} : { clock })
}

/** Over TCP it is plain HTTP/2. */
export function createRpcClient(address: Address, options: ClientOptions = {}): RpcClient {
  const { clock = systemClock, headers = {}, errorOf = errorOfStatus } = options
  const shown = shownAddress(address)
  const client = new grpc.Client(targetOf(address), grpc.credentials.createInsecure(), {
    'grpc.enable_channelz': 0,
    // A connection of its own: a probe that shared one would not see that no more are accepted.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': 64 * 2 ** 20,
    // What answers here answers to this host: no proxy of the environment's is between.
    'grpc.enable_http_proxy': 0,
    // The kernel tells of the end of a Unix socket's peer; a host may go without a word. Servers of grpc-go allow no more.
    ...(address.kind === 'tcp' && { 'grpc.keepalive_time_ms': 330_000 }),
  })
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  return {
    call(method, request, { deadlineMs }) {
      const definition = methodDefinition(method)
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          definition.path,
          definition.requestSerialize,
          definition.responseDeserialize,
          create(method.input, request),
          metadata,
          { deadline: clock.now() + deadlineMs },
          (failure, value) => {
            if (failure !== null) reject(errorOf(failure, shown))
            else resolve(value as MessageShape<typeof method.output>)
          },
        )
      })
    },
    async *stream(method, request, { signal }) {
      if (signal.aborted) return
      const definition = methodDefinition(method)
      const call = client.makeServerStreamRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        create(method.input, request),
        metadata,
      )
      const cancel = (): void => call.cancel()
      signal.addEventListener('abort', cancel)
      try {
        for await (const message of call) yield message as MessageShape<typeof method.output>
      } catch (thrown) {
        if (!signal.aborted) throw errorOf(thrown as grpc.ServiceError, shown)
      } finally {
        signal.removeEventListener('abort', cancel)
        call.cancel()
      }
    },
    close: () => client.close(),
  }
}

/** `/run/spindle/agent.sock`, `tcp://127.0.0.1:8000` */
export function shownAddress(address: Address): string {
  return address.kind === 'unix' ? address.path : `tcp://${hostPort(address)}`
}

function targetOf(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return `${address.address.includes(':') ? 'ipv6' : 'ipv4'}:${hostPort(address)}`
}

function hostPort({ address, port }: Extract<Address, { kind: 'tcp' }>): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
