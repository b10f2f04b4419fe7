/** What a failed call says of an agent that may be anybody's: by its status, for its words follow no rule. */
import type { ServiceError } from '@grpc/grpc-js'
import type { ErrorCode } from '../runtime/errors.ts'
import { ERRORS, SpindleError } from '../runtime/errors.ts'
import { status } from '../runtime/grpc-status.ts'
import { shownText } from '../runtime/shown-text.ts'
import { isNoAnswer } from '../wire/no-answer.ts'
import { errorOfStatus } from '../wire/status.ts'

/** SPIFFE_Workload_Endpoint 6, and what gRPC servers answer with beside it. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  [status.INVALID_ARGUMENT]: 'request_invalid',
  [status.PERMISSION_DENIED]: 'no_identity',
  [status.UNAVAILABLE]: 'not_ready',
  [status.UNIMPLEMENTED]: 'unsupported',
  [status.RESOURCE_EXHAUSTED]: 'limit_reached',
  [status.UNAUTHENTICATED]: 'peer_gone',
}

export function errorOfAnswer(failure: ServiceError, target: string): SpindleError {
  if (isNoAnswer(failure)) return errorOfStatus(failure, target)
  // Nobody here has cancelled it: the agent is ending.
  if (failure.code === status.CANCELLED)
    return new SpindleError('unreachable', `${target} ended the call`)
  const code = CODES[failure.code] ?? 'agent_failed'
  return new SpindleError(code, `${target}: ${wordsOf(failure)}`)
}

/** Without the code that an agent of ours puts in front. */
function wordsOf({ code, details }: ServiceError): string {
  const [, named = '', text = ''] = /^([a-z_]+): (.+)$/s.exec(details) ?? []
  const isOurs = Object.hasOwn(ERRORS, named) && ERRORS[named as ErrorCode].grpc === code
  const words = shownText(isOurs ? text : details, 512)
  return words === '' ? `answered with status ${code}` : words
}

/** Whether asking again is of no use: the answer would be the same (Workload_Endpoint 6). */
export function isFinal({ code }: SpindleError): boolean {
  return code === 'request_invalid' || code === 'unsupported'
}

/** Whether it asks for patience, however well all went before. */
export function asksToWait({ code }: SpindleError): boolean {
  return code === 'no_identity' || code === 'not_ready' || code === 'limit_reached'
}

/** Whether the caller has lost what it had (Workload API 5.2.1, 6.2.1). */
export function isDenied({ code }: SpindleError): boolean {
  return code === 'no_identity'
}
