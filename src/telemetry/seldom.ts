/**
 * Warnings that callers can cause as often as they like. Each is written when it first happens and then once a minute with
 * how often it did, so that nobody can fill the disk with them, or bury another's warning under their own.
 */
import type { Clock } from '../runtime/clock.ts'
import type { Log, LogFields } from './log.ts'

/** `about`: what a warning is about, such as one stream; the same message about another is another warning. */
type Write = (about: unknown, fields: LogFields, message: string) => void

export interface Seldom {
  readonly warn: Write
  readonly error: Write
}

const PERIOD_MS = 60_000
/** Of one message in one period. A caller may make as many streams as it likes: what is beyond is one warning together. */
const MOST_ABOUTS = 100

interface Held {
  /** Since it was last written. */
  count: number
  fields: LogFields
}

const OTHERS = { others: true }

export function createSeldom(log: Log, clock: Clock): Seldom {
  const seldom = (write: Log['warn']): Write => {
    const messages = new Map<string, Map<unknown, Held>>()
    return (about, fields, message) => {
      const abouts = messages.get(message) ?? new Map<unknown, Held>()
      messages.set(message, abouts)
      const together = abouts.size >= MOST_ABOUTS && !abouts.has(about)
      const key = together ? OTHERS : about
      const held = abouts.get(key) ?? { count: together ? 0 : -1, fields }
      held.count += 1
      held.fields = together ? OTHERS : fields
      if (abouts.has(key)) return
      abouts.set(key, held)
      if (!together) write(fields, message)
      const wait = (): void =>
        void clock.after(PERIOD_MS, () => {
          if (held.count === 0) return abouts.delete(key)
          write({ ...held.fields, times: held.count }, message)
          held.count = 0
          return wait()
        })
      wait()
    }
  }
  return { warn: seldom(log.warn), error: seldom(log.error) }
}
