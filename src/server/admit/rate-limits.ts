/** So many a second for each key (an address), and no more than a second's worth at once. Who comes too early waits in line. */
import type { Clock, Timer } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'

export interface RateLimits {
  /**
   * Resolves when `count` may go; those behind move up where one leaves the line.
   * @throws SpindleError `limit_reached`: it is more than goes at once, or the line is too long; the reason of `signal` once it is
   * aborted. Nothing is taken then.
   */
  take(key: string, count: number, signal?: AbortSignal): Promise<void>
}

/** A client has given up by then. */
const LONGEST_WAIT_MS = 10_000
/** Beyond this many some that nobody waits for are as good as new: somebody has more addresses than there is memory for. */
const MOST_KEYS = 16_384
/** Of the others, for each new one: so that more are forgotten than come, and none takes long. */
const LOOKED_AT = 2
/** What is lost in adding up fractions is no reason to wait, nor to wait once more. */
const ROUNDING = 1e-6

interface Waiting {
  readonly count: number
  readonly go: () => void
}

export function createRateLimits({
  clock,
  perSecond,
  longestWaitMs = LONGEST_WAIT_MS,
}: {
  readonly clock: Clock
  readonly perSecond: number
  /** 10 s unless said. */
  readonly longestWaitMs?: number
}): RateLimits {
  const buckets = new Map<string, Bucket>()
  /** Goes on where it ended: from the beginning it would pass the gaps of all that were forgotten. */
  let oldest = buckets.entries()
  const forget = (): void => {
    for (let looked = 0; looked < LOOKED_AT; looked++) {
      const { value, done } = oldest.next()
      if (done === true) {
        oldest = buckets.entries()
        return
      }
      const [key, bucket] = value
      buckets.delete(key)
      const isKept = bucket.isWaitedFor || (!bucket.isFull && buckets.size < MOST_KEYS)
      if (isKept) buckets.set(key, bucket)
    }
  }
  const bucketOf = (key: string): Bucket => {
    const known = buckets.get(key)
    if (known !== undefined) return known
    forget()
    const bucket = new Bucket(clock, perSecond)
    buckets.set(key, bucket)
    return bucket
  }
  return {
    async take(key, count, signal) {
      if (count > perSecond)
        throw new SpindleError('limit_reached', `rate (${count}) exceeds burst size (${perSecond})`)
      signal?.throwIfAborted()
      const bucket = bucketOf(key)
      if (bucket.waitMs(count) > longestWaitMs)
        throw new SpindleError('limit_reached', 'too many requests wait for their turn')
      await bucket.take(count, signal)
    },
  }
}

class Bucket {
  readonly #clock: Clock
  readonly #perSecond: number
  #tokens: number
  /** When that was so, by the monotonic clock. */
  #at: number
  /** First come, first served. */
  readonly #line = new Set<Waiting>()
  /** Of all in line. */
  #owed = 0
  #timer: Timer | undefined

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#at = clock.monotonic()
  }

  get isWaitedFor(): boolean {
    return this.#line.size > 0
  }

  get isFull(): boolean {
    this.#fill()
    return this.#tokens >= this.#perSecond
  }

  /** How long who comes now would stand in line. */
  waitMs(count: number): number {
    this.#fill()
    return this.#leftMs(this.#owed + count)
  }

  take(count: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const giveUp = (): void => {
      this.#leave(waiting)
      reject(signal?.reason)
      this.#serve()
    }
    const waiting = {
      count,
      go(): void {
        signal?.removeEventListener('abort', giveUp)
        resolve()
      },
    }
    signal?.addEventListener('abort', giveUp, { once: true })
    this.#line.add(waiting)
    this.#owed += count
    this.#serve()
    return promise
  }

  /** Lets go whose turn it is, and waits for that of the next. */
  #serve(): void {
    this.#fill()
    this.#timer?.cancel()
    this.#timer = undefined
    for (const waiting of this.#line) {
      const leftMs = this.#leftMs(waiting.count)
      if (leftMs > 0) {
        this.#timer = this.#clock.after(leftMs, () => this.#serve())
        return
      }
      this.#leave(waiting)
      this.#tokens -= waiting.count
      waiting.go()
    }
  }

  #leave(waiting: Waiting): void {
    this.#line.delete(waiting)
    this.#owed -= waiting.count
  }

  /** Until there are `count` tokens. */
  #leftMs(count: number): number {
    const missing = count - this.#tokens
    return missing < ROUNDING ? 0 : (missing / this.#perSecond) * 1000
  }

  #fill(): void {
    const now = this.#clock.monotonic()
    const tokens = this.#tokens + ((now - this.#at) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#perSecond, tokens)
    this.#at = now
  }
}
