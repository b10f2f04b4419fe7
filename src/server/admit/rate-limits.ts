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

interface Bucket {
  tokens: number
  /** When that was so, by the monotonic clock. */
  at: number
  /** First come, first served. */
  readonly line: Set<Waiting>
  /** Of all in line. */
  owed: number
  timer: Timer | undefined
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

  const fill = (bucket: Bucket): void => {
    const now = clock.monotonic()
    bucket.tokens = Math.min(perSecond, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
    bucket.at = now
  }
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
      fill(bucket)
      buckets.delete(key)
      const isInUse = bucket.line.size > 0 || bucket.tokens < perSecond
      if (isInUse && (bucket.line.size > 0 || buckets.size < MOST_KEYS)) buckets.set(key, bucket)
    }
  }
  const bucketOf = (key: string): Bucket => {
    const known = buckets.get(key)
    if (known !== undefined) return known
    forget()
    const bucket: Bucket = {
      tokens: perSecond,
      at: clock.monotonic(),
      line: new Set<Waiting>(),
      owed: 0,
      timer: undefined,
    }
    buckets.set(key, bucket)
    return bucket
  }
  /** Until there are `count` tokens. */
  const waitMs = ({ tokens }: Bucket, count: number): number =>
    count - tokens < ROUNDING ? 0 : ((count - tokens) / perSecond) * 1000
  /** Lets go whose turn it is, and waits for that of the next. */
  const serve = (bucket: Bucket): void => {
    fill(bucket)
    bucket.timer?.cancel()
    bucket.timer = undefined
    for (const waiting of bucket.line) {
      const leftMs = waitMs(bucket, waiting.count)
      if (leftMs > 0) {
        bucket.timer = clock.after(leftMs, () => serve(bucket))
        return
      }
      leave(bucket, waiting)
      bucket.tokens -= waiting.count
      waiting.go()
    }
  }
  const leave = (bucket: Bucket, waiting: Waiting): void => {
    bucket.line.delete(waiting)
    bucket.owed -= waiting.count
  }
  const wait = (bucket: Bucket, count: number, signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const giveUp = (): void => {
        leave(bucket, waiting)
        reject(signal?.reason)
        serve(bucket)
      }
      const waiting = {
        count,
        go(): void {
          signal?.removeEventListener('abort', giveUp)
          resolve()
        },
      }
      signal?.addEventListener('abort', giveUp, { once: true })
      bucket.line.add(waiting)
      bucket.owed += count
      serve(bucket)
    })

  return {
    async take(key, count, signal) {
      if (count > perSecond)
        throw new SpindleError('limit_reached', `rate (${count}) exceeds burst size (${perSecond})`)
      signal?.throwIfAborted()
      const bucket = bucketOf(key)
      fill(bucket)
      const leftMs = waitMs(bucket, bucket.owed + count)
      if (leftMs > longestWaitMs)
        throw new SpindleError('limit_reached', 'too many requests wait for their turn')
      if (leftMs > 0) await wait(bucket, count, signal)
      else bucket.tokens -= count
    },
  }
}
