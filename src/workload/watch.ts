/** A stream that is kept: opened again whenever it ends, at once and then with backoff (Workload API 4.2, Endpoint 6). */
import { retryDelay } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import type { Random } from '../runtime/random.ts'
import { asksToWait, isDenied, isFinal } from './fault.ts'

export interface Watch<T> {
  /** Ends the watch. */
  readonly signal: AbortSignal
  /** Called with the whole state, each time it is another, one call after the other. What it throws ends the watch. */
  readonly onUpdate: (update: T) => void | Promise<void>
  readonly onFault?: (fault: WatchFault) => void
}

export interface WatchFault {
  readonly error: SpindleError
  /** The caller has no identity any more: what it was given before should no longer be used (Workload API 5.2.1). */
  readonly isDenied: boolean
  /** When the stream is opened again; undefined: it goes on, and it was a single response that was discarded. */
  readonly retryInMs?: number
}

export interface Stream<M, T> {
  /** The end of the connection or the server's error is thrown as a SpindleError. */
  open(signal: AbortSignal): AsyncIterable<M>
  /** @throws SpindleError: the message is to be discarded */
  read(message: M): T
  /** For messages: the address. */
  readonly shown: string
}

export interface Timing {
  readonly clock: Clock
  readonly random: Random
  /** For the first message of a stream, which is to come without delay (4.3). */
  readonly firstMessageMs: number
  readonly backoff: { readonly baseMs: number; readonly maxMs: number }
}

/** A stream that lived for less was no stream to rely on: the next one waits as if it had not been. */
const STEADY_MS = 1_000

/**
 * Resolves once `signal` is aborted.
 * @throws SpindleError `request_invalid` or `unsupported`, which asking again would only repeat; what `onUpdate` throws
 */
export async function watchStream<M, T>(
  stream: Stream<M, T>,
  watch: Watch<T>,
  timing: Timing,
): Promise<void> {
  const { clock, random, backoff } = timing
  const { signal } = watch
  let failures = 0
  while (!signal.aborted) {
    const openedAt = clock.monotonic()
    const { error, answered } = await follow(stream, watch, timing)
    if (error === undefined) return
    if (isFinal(error)) throw error
    if (answered && clock.monotonic() - openedAt >= STEADY_MS) failures = 0
    const isAtOnce = answered && failures === 0 && !asksToWait(error)
    const retryInMs = isAtOnce ? 0 : retryDelay(failures, backoff, random.fraction())
    failures += 1
    watch.onFault?.({ error, isDenied: isDenied(error), retryInMs })
    await pause(clock, retryInMs, signal)
  }
}

interface End {
  /** undefined: `signal` was aborted. */
  readonly error?: SpindleError
  readonly answered: boolean
}

/** One stream, to its end. @throws what `onUpdate` throws */
async function follow<M, T>(stream: Stream<M, T>, watch: Watch<T>, timing: Timing): Promise<End> {
  const attempt = bounded(watch.signal, timing.clock, timing.firstMessageMs)
  const messages = stream.open(attempt.signal)[Symbol.asyncIterator]()
  let answered = false
  try {
    for (;;) {
      const next = await nextOf(messages)
      if (watch.signal.aborted) return { answered }
      if (next instanceof SpindleError) return { error: next, answered }
      if (next.done === true) return { error: ended(stream, timing, attempt.isOver()), answered }
      answered = true
      attempt.reached()
      await take(stream, watch, next.value)
    }
  } finally {
    attempt.close()
    await messages.return?.()
  }
}

async function nextOf<M>(messages: AsyncIterator<M>): Promise<IteratorResult<M> | SpindleError> {
  try {
    return await messages.next()
  } catch (thrown) {
    if (thrown instanceof SpindleError) return thrown
    throw thrown
  }
}

async function take<M, T>(stream: Stream<M, T>, watch: Watch<T>, message: M): Promise<void> {
  let update: T
  try {
    update = stream.read(message)
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    watch.onFault?.({ error: thrown, isDenied: false })
    return
  }
  await watch.onUpdate(update)
}

function ended(
  { shown }: Pick<Stream<never, never>, 'shown'>,
  { firstMessageMs }: Timing,
  isLate: boolean,
): SpindleError {
  return isLate
    ? noAnswer(shown, firstMessageMs)
    : new SpindleError('unreachable', `${shown} ended the stream`)
}

export function noAnswer(shown: string, withinMs: number): SpindleError {
  return new SpindleError('unreachable', `${shown} does not answer: nothing within ${withinMs} ms`)
}

export interface Bounded {
  /** Aborted with `outer`, or when the time is over before `reached` is called. */
  readonly signal: AbortSignal
  reached(): void
  isOver(): boolean
  close(): void
}

/** A wait with a deadline that ends with the first message. */
export function bounded(outer: AbortSignal, clock: Clock, withinMs: number): Bounded {
  const abort = new AbortController()
  let isOver = false
  const end = (): void => abort.abort()
  const timer = clock.after(withinMs, () => {
    isOver = true
    end()
  })
  outer.addEventListener('abort', end)
  if (outer.aborted) end()
  return {
    signal: abort.signal,
    reached: () => timer.cancel(),
    isOver: () => isOver,
    close() {
      timer.cancel()
      outer.removeEventListener('abort', end)
    },
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || ms === 0) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.after(ms, end)
    signal.addEventListener('abort', end)
  })
}
