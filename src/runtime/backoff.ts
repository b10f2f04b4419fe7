/**
 * Delay before attempt `attempt + 1` (whole ms): doubling from `baseMs` with full jitter in its upper half, at most `maxMs`,
 * and never more than a tenth of `lifeLeftMs`, so that what is about to expire is not slept through.
 */
export function retryDelay(
  attempt: number,
  limits: { readonly baseMs: number; readonly maxMs: number; readonly lifeLeftMs?: number },
  fraction: number,
): number {
  const ceiling = Math.min(limits.baseMs * 2 ** Math.min(attempt, 30), limits.maxMs)
  const jittered = ceiling / 2 + (ceiling / 2) * fraction
  const bound = limits.lifeLeftMs === undefined ? Infinity : Math.max(limits.lifeLeftMs, 0) / 10
  return Math.max(1, Math.min(Math.round(jittered), Math.floor(bound)))
}
