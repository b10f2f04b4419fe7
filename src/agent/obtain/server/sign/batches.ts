/** Requests of one moment in one call: few calls at a time, of a size that the server has shown to bear. */
import { SpindleError } from '../../../../runtime/errors.ts'

export interface BatchesOptions<I, O> {
  /** Items of a call. */
  readonly most: number
  /** A call of so few is not tried again in parts: a server that bears no more is one to wait for. */
  readonly least: number
  readonly callsAtATime: number
  /** As many outcomes as items, in their order. */
  readonly send: (items: readonly I[]) => Promise<readonly (O | SpindleError)[]>
  /** Whether fewer items could have gone through where these did not. */
  readonly mayBeSize: (thrown: unknown) => boolean
}

export interface Batches<I, O> {
  /** @throws what `send` throws, or said of the item */
  add(item: I): Promise<O>
  close(why: SpindleError): void
}

interface Waiting<I, O> {
  readonly item: I
  readonly resolve: (outcome: O) => void
  readonly reject: (thrown: unknown) => void
}

/** Halves with each call that was too much, and doubles with each that was not, as in SPIRE's agents. */
export function createBatches<I, O>(options: BatchesOptions<I, O>): Batches<I, O> {
  const { most, least, callsAtATime, send, mayBeSize } = options
  let queue: Waiting<I, O>[] = []
  let size = most
  let inFlight = 0
  let scheduled = false

  const flush = (): void => {
    scheduled = false
    while (queue.length > 0 && inFlight < callsAtATime) {
      const [batch, rest] = [queue.slice(0, size), queue.slice(size)]
      queue = rest
      inFlight += 1
      void settle(batch).finally(() => {
        inFlight -= 1
        flush()
      })
    }
  }
  const settle = async (batch: readonly Waiting<I, O>[]): Promise<void> => {
    let outcomes: readonly (O | SpindleError)[]
    try {
      outcomes = await send(batch.map(({ item }) => item))
      if (outcomes.length !== batch.length)
        throw new SpindleError(
          'authority_unavailable',
          'the server answered another number of requests than were made',
        )
    } catch (thrown) {
      return failed(batch, thrown)
    }
    size = Math.min(size * 2, most)
    for (const [at, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[at]!
      if (outcome instanceof SpindleError) reject(outcome)
      else resolve(outcome)
    }
  }
  const failed = (batch: readonly Waiting<I, O>[], thrown: unknown): void => {
    if (batch.length > least && mayBeSize(thrown)) {
      size = Math.max(least, Math.floor(Math.min(size, batch.length) / 2))
      queue = [...batch, ...queue]
      return
    }
    for (const { reject } of batch) reject(thrown)
  }
  return {
    add(item) {
      return new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject })
        if (scheduled) return
        scheduled = true
        setImmediate(flush)
      })
    },
    close(why) {
      const left = queue
      queue = []
      for (const { reject } of left) reject(why)
    },
  }
}
