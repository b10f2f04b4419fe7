/** A connection of the test's own to the agent's socket: one for each that is opened, though all are of one process. */
import * as grpc from '@grpc/grpc-js'

export interface TestConnection {
  readonly client: grpc.Client
  /** Has `call` cancelled by `close`, unless it has ended: a client that is closed waits for its calls to end by themselves. */
  opened<Call extends Cancelled>(call: Call): Call
  close(): void
}

interface Cancelled {
  cancel(): void
  once(event: 'status', listener: () => void): unknown
}

/** It connects with the first call. */
export function openConnection(socket: string): TestConnection {
  const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure(), {
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    // An agent that is just starting is found at once.
    'grpc.initial_reconnect_backoff_ms': 10,
    'grpc.min_reconnect_backoff_ms': 10,
    'grpc.max_reconnect_backoff_ms': 20,
  })
  const calls = new Set<Cancelled>()
  return {
    client,
    opened(call) {
      calls.add(call)
      call.once('status', () => calls.delete(call))
      return call
    },
    close() {
      for (const call of calls) call.cancel()
      client.close()
    },
  }
}
