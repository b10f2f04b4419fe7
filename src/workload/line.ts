import type { Clock } from '../runtime/clock.ts'
import { codeOf } from '../runtime/errors.ts'
import { SECURITY_HEADER } from '../spiffe/endpoint.ts'
import type { Address, RpcClient } from '../wire/client.ts'
import { createRpcClient } from '../wire/client.ts'
import { errorOfAnswer } from './fault.ts'

/** One connection to an agent for all that is asked of it, and another once it is lost. */
export function createLine(address: Address, clock: Clock): RpcClient {
  let current: RpcClient | undefined
  const client = (): RpcClient =>
    (current ??= createRpcClient(address, {
      clock,
      headers: SECURITY_HEADER,
      errorOf: errorOfAnswer,
    }))
  // grpc-js waits by a plan of its own before it connects again, and answers for itself meanwhile; a new channel connects at
  // once. Streams of the old one that live go on.
  const renew = (used: RpcClient, thrown: unknown): void => {
    if (codeOf(thrown) !== 'unreachable' || used !== current) return
    current = undefined
    used.close()
  }
  return {
    async call(method, request, options) {
      const used = client()
      try {
        return await used.call(method, request, options)
      } catch (thrown) {
        renew(used, thrown)
        throw thrown
      }
    },
    async *stream(method, request, options) {
      const used = client()
      try {
        yield* used.stream(method, request, options)
      } catch (thrown) {
        renew(used, thrown)
        throw thrown
      }
    },
    close() {
      current?.close()
      current = undefined
    },
  }
}
