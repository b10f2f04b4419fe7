/** Keeps a file at what something is: changes that come together are one write, and one that failed is tried again. */
import type { OwnStateFile } from '../../../os/state-file.ts'
import { retryDelay } from '../../../runtime/backoff.ts'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import { messageOf } from '../../../runtime/errors.ts'
import type { Random } from '../../../runtime/random.ts'

export interface Saver {
  /** What is to be kept is another: it is written soon. */
  changed(): void
  /** Writes now what is to be written. Never rejects: what failed is told, and tried again. */
  flush(): Promise<void>
  /** How long to wait after a write before the next one, ms. */
  readonly pauseMs: number
  close(): void
}

export interface SaverOptions {
  readonly file: Pick<OwnStateFile, 'write'>
  readonly text: () => string
  readonly clock: Clock
  readonly random: Random
  /** Told of each write: undefined, or why it failed. */
  readonly onSaved: (fault: string | undefined) => void
}

const SOON_MS = 100
/** Making the text holds the event loop: it takes at most this share of its time. */
const PAUSES_A_WRITE = 50
const RETRY = { baseMs: 2_000, maxMs: 60_000 }

export function createSaver(options: SaverOptions): Saver {
  const { file, text, clock, random, onSaved } = options
  let dirty = false
  let timer: Timer | undefined
  let writing: Promise<void> | undefined
  let failures = 0
  let pauseMs = SOON_MS

  const write = async (): Promise<void> => {
    dirty = false
    const started = clock.monotonic()
    try {
      const content = text()
      pauseMs = Math.max(SOON_MS, (clock.monotonic() - started) * PAUSES_A_WRITE)
      await file.write(content)
      failures = 0
      onSaved(undefined)
    } catch (thrown) {
      dirty = true
      onSaved(messageOf(thrown))
      schedule(retryDelay(failures++, RETRY, random.fraction()))
    }
  }
  const schedule = (delayMs: number): void => {
    timer ??= clock.after(delayMs, () => void flush())
  }
  const flush = async (): Promise<void> => {
    timer?.cancel()
    timer = undefined
    // What is being written is of before.
    await writing
    if (dirty && writing === undefined) {
      writing = write().finally(() => {
        writing = undefined
      })
    }
    await writing
  }
  return {
    changed() {
      dirty = true
      schedule(pauseMs)
    },
    flush,
    get pauseMs() {
      return pauseMs
    },
    close() {
      timer?.cancel()
    },
  }
}
