/** What is done after a change: once for all changes that come together, never twice at a time, and again when it fails. */
import { retryDelay } from '../runtime/backoff.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import type { Random } from '../runtime/random.ts'
import type { Log } from '../telemetry/log.ts'

export interface After {
  /** Something has changed: it is done after `debounceMs`. */
  changed(): void
  /** Does what is still to be done, and resolves when nothing is. */
  close(): Promise<void>
}

export interface AfterOptions {
  /** @throws SpindleError `after_failed` */
  readonly act: (signal: AbortSignal) => Promise<void>
  readonly debounceMs: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** A server that did not read its new certificate has the rest of the old one's life to do so. */
const RETRY = { baseMs: 5_000, maxMs: 300_000 }
/** What is under way may finish for this long when the process is told to end. */
const CLOSE_GRACE_MS = 10_000

export function createAfter({ act, debounceMs, clock, random, log }: AfterOptions): After {
  const abort = new AbortController()
  let timer: Timer | undefined
  let isDue = false
  let running: Promise<void> | undefined
  let closing = false
  let failures = 0

  const schedule = (delayMs: number): void => {
    timer?.cancel()
    timer = clock.after(delayMs, start)
  }

  const start = (): void => {
    timer?.cancel()
    timer = undefined
    isDue = false
    running = run().finally(() => {
      running = undefined
    })
  }

  const run = async (): Promise<void> => {
    try {
      await act(abort.signal)
      failures = 0
      if (isDue && !closing) schedule(debounceMs)
    } catch (thrown) {
      if (!(thrown instanceof SpindleError)) throw thrown
      const retryInMs = retryDelay(failures, RETRY, random.fraction())
      failures += 1
      if (closing) return log.error({ error: thrown }, 'what is to be done after a change failed')
      const inMs = isDue ? debounceMs : retryInMs
      log.error(
        { error: thrown, retryInMs: inMs },
        'what is to be done after a change failed, and is tried again',
      )
      schedule(inMs)
    }
  }

  return {
    changed() {
      const isWaiting = isDue && timer !== undefined
      isDue = true
      failures = 0
      // The first change says when: a stream of them must not put it off for ever. While it runs, its end does.
      if (!isWaiting && running === undefined) schedule(debounceMs)
    },
    async close() {
      closing = true
      const giveUp = clock.after(CLOSE_GRACE_MS, () => abort.abort())
      await running
      if (isDue) start()
      await running
      timer?.cancel()
      giveUp.cancel()
    },
  }
}
