/** Waiting that ends: every wait has a deadline, says what it waited for, and stops when the demo is told to. */
import type { Clock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'

export interface Patience {
  readonly clock: Clock
  /** Aborted when the demo is to end. */
  readonly signal: AbortSignal
}

export interface Deadline extends Patience {
  readonly withinMs: number
}

const LOOK_EVERY_MS = 5

/**
 * Looks until `look` gives something; what it throws is a "not yet".
 * @throws Error that names `what` and the last thing thrown, at the deadline
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined>,
  deadline: Deadline,
): Promise<T> {
  const { clock, signal, withinMs } = deadline
  const end = clock.monotonic() + withinMs
  for (;;) {
    signal.throwIfAborted()
    let last = ''
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (thrown) {
      last = `: ${messageOf(thrown)}`
    }
    if (clock.monotonic() >= end) throw late(what, withinMs, last)
    await new Promise<void>((resolve) => void clock.after(LOOK_EVERY_MS, resolve))
  }
}

/** As `promise`, but rejects at the deadline and when the demo is to end. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  { clock, signal, withinMs }: Deadline,
): Promise<T> {
  // Nobody may be left to hear of it when it fails after this has.
  promise.catch(() => undefined)
  signal.throwIfAborted()
  let cleanUp = (): void => undefined
  const limit = new Promise<never>((_, reject) => {
    const timer = clock.after(withinMs, () => reject(late(what, withinMs, '')))
    const abort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    cleanUp = () => {
      timer.cancel()
      signal.removeEventListener('abort', abort)
    }
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    cleanUp()
  }
}

function late(what: string, withinMs: number, last: string): Error {
  return new Error(`waited ${withinMs / 1000} s in vain for ${what}${last}`)
}
