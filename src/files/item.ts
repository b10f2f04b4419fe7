/** One item of the configuration: files that change together, and how they stand. */
import { retryDelay } from '../runtime/backoff.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { ERRORS, SpindleError } from '../runtime/errors.ts'
import type { Feed } from '../runtime/feed.ts'
import { createFeed } from '../runtime/feed.ts'
import type { Random } from '../runtime/random.ts'
import type { Log, LogFields } from '../telemetry/log.ts'

export interface ItemState {
  /** The files have been written, or found as they are to be, since the start. */
  readonly written: boolean
  /** Why the newest attempt to have them as they are to be came to nothing. */
  readonly fault: SpindleError | undefined
}

export interface Content {
  /** What is said of it in the log. */
  readonly facts: LogFields
  /** ms since the epoch; undefined: never. */
  readonly expiresAt?: number
  /** Whether anything has changed. @throws SpindleError `file_unwritable`; the files are then as they were */
  write(): boolean
}

export interface Item {
  /** Its place in the configuration, such as `x509[0]`. */
  readonly name: string
  readonly state: Feed<ItemState>
  /** Writes it, and tries again later where that fails. */
  offer(content: Content): void
  /** Leaves the files as they are. `said`: it is in the log already. */
  fail(error: SpindleError, said?: boolean): void
  /** Puts the files right should somebody have changed them. */
  check(): void
  close(): void
}

export interface ItemOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The content of a file has changed. */
  readonly changed: () => void
}

const RETRY = { baseMs: 1_000, maxMs: 60_000 }
/** The wall clock may be set while a long wait goes on. */
const LONGEST_WAIT_MS = 60_000

export function createItem(name: string, options: ItemOptions): Item {
  const { clock, random, changed } = options
  const log = options.log.child({ item: name })
  const state = createFeed<ItemState>({ written: false, fault: undefined })
  let newest: Content | undefined
  let retry: Timer | undefined
  let expiry: Timer | undefined

  const write = (attempt: number): void => {
    retry?.cancel()
    const content = newest
    if (content === undefined) return
    try {
      const anew = content.write()
      if (anew) log.info({ ...content.facts, ...expiryOf(content) }, 'files written')
      else log.debug(content.facts, 'files are as they are to be')
      watchExpiry(content)
      const { fault } = state.current
      if (fault !== undefined && !anew) log.info({ was: fault.code }, 'all is well again')
      state.set({ written: true, fault: undefined })
      if (anew) changed()
    } catch (thrown) {
      if (!(thrown instanceof SpindleError)) throw thrown
      fail(thrown)
      const delay = retryDelay(attempt, RETRY, random.fraction())
      retry = clock.after(delay, () => write(attempt + 1))
    }
  }

  const fail = (error: SpindleError, said = false): void => {
    const { fault, written } = state.current
    const known = fault?.code === error.code && fault.message === error.message
    if (!known && !said) sayFault(log, error)
    if (!known) state.set({ written, fault: error })
  }

  const watchExpiry = ({ expiresAt, facts }: Content): void => {
    expiry?.cancel()
    if (expiresAt === undefined) return
    const left = expiresAt - clock.now()
    if (left <= 0) log.error(facts, 'what is in the files has expired, and nothing newer has come')
    else
      expiry = clock.after(Math.min(left, LONGEST_WAIT_MS), () => {
        watchExpiry({ expiresAt, facts, write: () => false })
      })
  }

  return {
    name,
    state,
    offer(content) {
      newest = content
      write(0)
    },
    fail,
    check: () => write(0),
    close() {
      retry?.cancel()
      expiry?.cancel()
    },
  }
}

function expiryOf({ expiresAt }: Content): LogFields {
  return expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }
}

/** By what the reader has to do: nothing, register an entry, or look at the agent or at the folder. */
export function sayFault(log: Log, error: SpindleError): void {
  const { exit } = ERRORS[error.code]
  if (error.code === 'no_identity')
    log.error({ error }, 'no identity is given; its files stay as they are')
  else if (exit === 3) log.warn({ error }, 'the agent has no answer; the files stay as they are')
  else if (error.code === 'file_unwritable')
    log.error({ error }, 'files cannot be written; they stay as they are')
  else log.error({ error }, 'what the agent answers is of no use; the files stay as they are')
}
