/** So many a second for each key (an address), and no more than a second's worth at once. Who comes too early waits in line. */
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'

export interface RateLimits {
  /** Resolves when `count` may go. @throws SpindleError `limit_reached`: it is more than goes at once, or the line is too long */
  take(key: string, count: number): Promise<void>
}

/** A client has given up by then. */
const LONGEST_WAIT_MS = 10_000
/** Beyond this many keys those that have all their tokens are forgotten: they are as good as new ones. */
const MOST_KEYS = 4096

interface Bucket {
  /** Below 0: what those in line will take. */
  tokens: number
  /** When that was so, by the monotonic clock. */
  at: number
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
  const filled = (bucket: Bucket, now: number): number =>
    Math.min(perSecond, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
  const forgetFull = (now: number): void => {
    for (const [key, bucket] of buckets) if (filled(bucket, now) >= perSecond) buckets.delete(key)
  }
  return {
    async take(key, count) {
      if (count > perSecond)
        throw new SpindleError('limit_reached', `rate (${count}) exceeds burst size (${perSecond})`)
      const now = clock.monotonic()
      const known = buckets.get(key)
      if (known === undefined && buckets.size >= MOST_KEYS) forgetFull(now)
      const bucket = known ?? { tokens: perSecond, at: now }
      const tokens = filled(bucket, now) - count
      const waitMs = tokens < 0 ? (-tokens / perSecond) * 1000 : 0
      if (waitMs > longestWaitMs)
        throw new SpindleError('limit_reached', 'too many requests wait for their turn')
      buckets.set(key, Object.assign(bucket, { tokens, at: now }))
      if (waitMs > 0) await new Promise<void>((resolve) => void clock.after(waitMs, resolve))
    },
  }
}
