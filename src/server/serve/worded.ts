/** Refusals in the words of SPIRE's API: what did not work and, after a colon, why. Its clients show them, and some look for them. */
import { codeOf, ERRORS, messageOf } from '../../runtime/errors.ts'
import { status } from '../../runtime/grpc-status.ts'
import { wordedStatus } from '../../wire/status.ts'
import type { WordedStatus } from '../../wire/status.ts'

/** A code and a text: of a call that is refused, or of one item of a batch. */
export interface Worded {
  readonly code: number
  readonly message: string
}

export function worded(code: number, what: string, why?: unknown): Worded {
  return { code, message: why === undefined ? what : `${what}: ${messageOf(why)}` }
}

export const asStatus = ({ code, message }: Worded): WordedStatus => wordedStatus(code, message)

export const refused = (code: number, what: string, why?: unknown): WordedStatus =>
  asStatus(worded(code, what, why))

export const invalid = (what: string, why?: unknown): WordedStatus =>
  refused(status.INVALID_ARGUMENT, what, why)

/** What was asked for is right and could not be done: the code says whether it is of use to try again. */
export function failed(what: string, thrown: unknown): Worded {
  const code = codeOf(thrown)
  // The text of a foreign error is not for those outside.
  if (code === 'internal') return worded(status.INTERNAL, what)
  return worded(code === 'request_invalid' ? status.INTERNAL : ERRORS[code].grpc, what, thrown)
}
