/** A grpc-js client of a service on a Unix socket, with a deadline on every call. */
import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import type { Clock } from '../runtime/clock.ts'
import { systemClock } from '../runtime/clock.ts'
import { serviceDefinition } from './service.ts'
import { errorOfStatus } from './status.ts'

export interface UnixClient {
  /** @throws SpindleError: the server's own code where it sent one, else `unreachable` or `internal`. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: { readonly deadlineMs: number },
  ): Promise<MessageShape<O>>
  close(): void
}

export function createUnixClient(socketPath: string, clock: Clock = systemClock): UnixClient {
  const client = new grpc.Client(`unix:${socketPath}`, grpc.credentials.createInsecure(), {
    'grpc.enable_channelz': 0,
    // A connection of its own: a probe that shared one would not see that no more are accepted.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': 64 * 2 ** 20,
  })
  return {
    call(method, request, { deadlineMs }) {
      const definition = serviceDefinition(method.parent)[method.name]
      if (definition === undefined) throw new TypeError(`no method ${method.name}`)
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          definition.path,
          definition.requestSerialize,
          definition.responseDeserialize,
          create(method.input, request),
          { deadline: clock.now() + deadlineMs },
          (failure, value) => {
            if (failure !== null) reject(errorOfStatus(failure, socketPath))
            else resolve(value as MessageShape<typeof method.output>)
          },
        )
      })
    },
    close: () => client.close(),
  }
}
