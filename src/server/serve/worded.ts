/** Refusals in the words of SPIRE's API: what did not work and, after a colon, why. Its clients show them, and some look for them. */
import { codeOf, ERRORS, messageOf } from '../../runtime/errors.ts'
import { status } from '../../runtime/grpc-status.ts'
import { wordedStatus } from '../../wire/status.ts'
import type { WordedStatus } from '../../wire/status.ts'
import { itemStatus } from './api/status.ts'
import type { ItemStatus } from './api/status.ts'
import type { Faulted } from './service.ts'

export function worded(code: number, what: string, why?: unknown): ItemStatus {
  return itemStatus(code, why === undefined ? what : `${what}: ${messageOf(why)}`)
}

export const asCall = ({ code, message }: ItemStatus): WordedStatus => wordedStatus(code, message)

export const refused = (code: number, what: string, why?: unknown): WordedStatus =>
  asCall(worded(code, what, why))

export const invalid = (what: string, why?: unknown): WordedStatus =>
  refused(status.INVALID_ARGUMENT, what, why)

/**
 * What was rightly asked for could not be done: the code says whether to try again. Of what nobody raised on purpose only the
 * log is told more.
 */
export function failed(
  what: string,
  thrown: unknown,
  to: { readonly faulted: Faulted; readonly method: string },
): ItemStatus {
  const code = codeOf(thrown)
  if (code !== 'internal' && code !== 'request_invalid')
    return worded(ERRORS[code].grpc, what, thrown)
  if (code === 'internal') to.faulted(to.method, thrown)
  return worded(status.INTERNAL, what, code === 'internal' ? undefined : thrown)
}
