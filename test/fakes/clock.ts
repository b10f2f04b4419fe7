import type { Clock, Timer } from '../../src/runtime/clock.ts'

/** A clock that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /** Moves both clocks by `ms`, firing timers in the order they are due; after each, pending promises settle. */
  advance(ms: number): Promise<void>
  /** Moves the wall clock alone, as an administrator, NTP or a resume from sleep does. No timer fires. */
  jump(ms: number): void
  /** Timers that have not fired. */
  readonly pending: number
}

interface Waiting {
  readonly due: number
  readonly run: () => void
}

/** Lets promise callbacks, and the `setImmediate` slices they start, run to rest. Work on a thread pool is not awaited. */
export async function settle(rounds = 6): Promise<void> {
  for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve))
}

export function createManualClock(options: { readonly now?: number } = {}): ManualClock {
  const start = options.now ?? Date.UTC(2030, 0, 1)
  let elapsed = 0
  let jumped = 0
  // A Set keeps the order of insertion, so timers due at one instant fire in the order they were set.
  const waiting = new Set<Waiting>()

  const nextDue = (limit: number): Waiting | undefined => {
    let first: Waiting | undefined
    for (const timer of waiting) {
      if (timer.due <= limit && (first === undefined || timer.due < first.due)) first = timer
    }
    return first
  }

  return {
    now: () => start + elapsed + jumped,
    monotonic: () => elapsed,
    after(delayMs, run): Timer {
      const timer = { due: elapsed + Math.max(0, delayMs), run }
      waiting.add(timer)
      return { cancel: () => void waiting.delete(timer) }
    },
    async advance(ms) {
      const target = elapsed + ms
      await settle()
      for (let timer = nextDue(target); timer !== undefined; timer = nextDue(target)) {
        waiting.delete(timer)
        elapsed = Math.max(elapsed, timer.due)
        timer.run()
        await settle()
      }
      elapsed = target
    },
    jump(ms) {
      jumped += ms
    },
    get pending() {
      return waiting.size
    },
  }
}
