import { systemClock } from '../../../runtime/clock.ts'
import type { Io } from '../../io.ts'
import { instantText } from '../../output.ts'

/** What two clocks and a whole second may make of a life that was granted. */
const LEEWAY_MS = 10_000

/** `ttl` in seconds as it was asked for, 0 where it was not; `expiresAt` in seconds since 1970. */
export function sayWhenCapped(
  io: Io,
  {
    what,
    ttl,
    expiresAt,
  }: { readonly what: string; readonly ttl: number; readonly expiresAt: bigint },
): void {
  const end = Number(expiresAt) * 1000
  if (end + LEEWAY_MS >= systemClock.now() + ttl * 1000) return
  const at = JSON.stringify(instantText(end))
  io.err(`${what} lifetime was capped shorter than specified ttl; expires ${at}\n`)
}
