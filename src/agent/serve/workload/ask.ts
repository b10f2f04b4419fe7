/** A question with one answer, which waits a moment for what is on its way. */
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Grant } from '../grant/grant.ts'
import type { Answer } from './answer.ts'
import { COMPLETION_MS, FIRST_ANSWER_MS, MARGIN_MS } from './patience.ts'

export interface Question {
  readonly grant: Grant
  /** When the client gives up: ms since the epoch, or Infinity. */
  readonly deadline: number
  /** Aborted once the client has gone. */
  readonly signal: AbortSignal
  readonly clock: Clock
}

/** How long a question may still wait, in ms. */
export interface Patience {
  leftMs(): number
  /** Nothing that is missing in an answer is waited for any more. */
  isOver(): boolean
}

export function patienceFor({ deadline, clock }: Question): Patience {
  const begun = clock.monotonic()
  const mostMs = Math.max(0, Math.min(FIRST_ANSWER_MS, deadline - MARGIN_MS - clock.now()))
  return {
    leftMs: () => mostMs - (clock.monotonic() - begun),
    isOver: () => clock.monotonic() - begun >= Math.min(COMPLETION_MS, mostMs),
  }
}

/**
 * Asks again at each change of what the caller may have until there is an answer.
 * @throws SpindleError `no_identity`, `not_ready` where it cannot be said in time, `peer_gone`
 */
export async function answered<T>(
  question: Question,
  patience: Patience,
  ask: () => Answer<T>,
): Promise<T> {
  const { grant, signal } = question
  for (;;) {
    // The process may have executed another program while it waited: it is looked at before each answer.
    if (!grant.caller.check() || signal.aborted)
      throw new SpindleError('peer_gone', 'the calling process has gone')
    const answer = ask()
    if (answer.kind === 'denied') throw new SpindleError('no_identity', answer.why)
    const isThere = answer.kind === 'there'
    if (isThere && (answer.awaiting === undefined || patience.isOver())) return answer.value
    const leftMs = patience.leftMs()
    if (leftMs <= 0) throw new SpindleError('not_ready', isThere ? '' : answer.why)
    await changed(question, isThere ? Math.min(leftMs, COMPLETION_MS) : leftMs)
  }
}

/** Resolves at the next change of what the caller may have, after `leftMs`, or when the client has gone. */
function changed({ grant, signal, clock }: Question, leftMs: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      grant.followers.delete(follower)
      signal.removeEventListener('abort', finish)
      timer.cancel()
      resolve()
    }
    const follower = { changed: finish }
    const timer = clock.after(leftMs, finish)
    signal.addEventListener('abort', finish)
    grant.followers.add(follower)
  })
}

/** @throws SpindleError `not_ready` where `work` takes longer than the question may wait */
export function inTime<T>(work: Promise<T>, patience: Patience, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(Math.max(0, patience.leftMs()), () =>
      reject(new SpindleError('not_ready', 'the signing authority has not answered in time')),
    )
    work.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error instanceof Error ? error : new Error('rejected without an error'))
      },
    )
  })
}
