import type { Clock, Timer } from '../../runtime/clock.ts'

export interface ClockWatch {
  /** Compares the clocks now. */
  look(): void
  close(): void
}

const EVERY_MS = 10_000
/** Slewing moves a clock by less than this for a long time; what it adds up to counts all the same. */
const TOLERANCE_MS = 1_000

/**
 * Calls `jumped` when the wall clock went another way than the monotonic one: set by hand, corrected, or resumed from
 * sleep. Timers know nothing of it, so whoever waits for a wall-clock instant has to look again.
 */
export function createClockWatch(clock: Clock, jumped: (byMs: number) => void): ClockWatch {
  let offset = clock.now() - clock.monotonic()
  let timer: Timer
  const look = (): void => {
    const byMs = clock.now() - clock.monotonic() - offset
    if (Math.abs(byMs) < TOLERANCE_MS) return
    offset += byMs
    jumped(byMs)
  }
  const tick = (): void => {
    timer = clock.after(EVERY_MS, tick)
    look()
  }
  timer = clock.after(EVERY_MS, tick)
  return { look, close: () => timer.cancel() }
}
