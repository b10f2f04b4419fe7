/** A question with one answer, which waits a moment for what is on its way. */
import type { ServerUnaryCall } from '@grpc/grpc-js'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Grant } from '../grant/grant.ts'
import type { Answer } from './answer.ts'
import { COMPLETION_MS, FIRST_ANSWER_MS, MARGIN_MS } from './answer.ts'

export interface Question {
  readonly grant: Grant
  readonly call: AskedCall
  readonly clock: Clock
}

/** `getDeadline`: when the client gives up, in ms since the epoch, or Infinity. */
export type AskedCall = Pick<
  ServerUnaryCall<unknown, unknown>,
  'cancelled' | 'getDeadline' | 'once' | 'removeListener'
>

/** How long a question may still wait, in ms; nothing or less: no longer. */
export interface Patience {
  leftMs(): number
  /** For what is missing in an answer. */
  completionMs(): number
}

export function patienceFor({ call, clock }: Question): Patience {
  const begun = clock.monotonic()
  const deadline = Number(call.getDeadline())
  const mostMs = Math.max(0, Math.min(FIRST_ANSWER_MS, deadline - MARGIN_MS - clock.now()))
  const passed = (): number => clock.monotonic() - begun
  return {
    leftMs: () => mostMs - passed(),
    completionMs: () => Math.min(COMPLETION_MS, mostMs) - passed(),
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
  const { grant, call } = question
  for (;;) {
    // The process may have executed another program while it waited: it is looked at before each answer.
    if (!grant.caller.check() || call.cancelled)
      throw new SpindleError('peer_gone', 'the calling process has gone')
    const answer = ask()
    if (answer.kind === 'denied') throw new SpindleError('no_identity', answer.why)
    if (answer.kind === 'there') {
      const leftMs = answer.awaiting === undefined ? 0 : patience.completionMs()
      if (leftMs <= 0) return answer.value
      await changed(question, leftMs)
    } else {
      const leftMs = patience.leftMs()
      if (leftMs <= 0) throw new SpindleError('not_ready', answer.why)
      await changed(question, leftMs)
    }
  }
}

/** Resolves at the next change of what the caller may have, after `leftMs`, or when the client has gone. */
function changed({ grant, call, clock }: Question, leftMs: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      grant.followers.delete(follower)
      call.removeListener('cancelled', finish)
      timer.cancel()
      resolve()
    }
    const follower = { changed: finish }
    const timer = clock.after(leftMs, finish)
    call.once('cancelled', finish)
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
