/** Time as a value that is passed in. Instants are milliseconds since the Unix epoch. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock instant in ms since the epoch; may jump either way. */
  now(): number
  /** Monotonic ms since an arbitrary origin; never jumps. Measure durations with it. */
  monotonic(): number
  /** Calls `run` once, `delayMs` from now at the earliest. Never keeps the process alive by itself. */
  after(delayMs: number, run: () => void): Timer
}

/** Node truncates longer timers to 1 ms, so a longer wait is made of several. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    let handle: NodeJS.Timeout
    const wait = (leftMs: number): void => {
      const step = Math.min(Math.max(leftMs, 0), LONGEST_TIMER_MS)
      handle = setTimeout(() => (leftMs > step ? wait(leftMs - step) : run()), step)
      handle.unref()
    }
    wait(delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
}
