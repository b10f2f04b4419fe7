import type { Grant } from '../grant/grant.ts'
import type { Message } from './message.ts'

/** What a caller is answered with just now. */
export type Answer<T> =
  | {
      readonly kind: 'there'
      readonly value: T
      /** What is missing in it and on its way; undefined: it is all the caller has. */
      readonly awaiting: string | undefined
    }
  /** It cannot be said yet what the caller has. `inside`: more of why, which is for operators alone. */
  | { readonly kind: 'pending'; readonly why: string; readonly inside?: string }
  | { readonly kind: 'denied'; readonly why: string }

/** @param first true until the stream was sent something */
export type AnswerOf = (grant: Grant, first: boolean) => Answer<Message>

export const NO_ENTRY = 'no entry matches the calling process'
export const NOT_SETTLED = 'entries that may change it are not decided yet'
export const NO_OWN_BUNDLE = 'the signing authority is not ready yet'

/** For a caller that has no entry: that is so, or cannot be said yet. */
export function nothingGranted({ undecided }: Grant): Answer<never> {
  return undecided === undefined
    ? { kind: 'denied', why: NO_ENTRY }
    : { kind: 'pending', why: undecided }
}

// How long callers are kept waiting, in ms.
/** From the call: what cannot be said after this is answered with UNAVAILABLE, and the client asks again. */
export const FIRST_ANSWER_MS = 5_000
/** For what is missing in an answer and on its way; then it is given without. */
export const COMPLETION_MS = 1_000
/** For the answer to reach the client before it gives up. */
export const MARGIN_MS = 250
