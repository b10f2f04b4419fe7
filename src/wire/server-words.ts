/** What a failed call says of a server with SPIRE's API, in the words of that server: its clients know them. */
import type { ServiceError } from '@grpc/grpc-js'
import type { ErrorCode } from '../runtime/errors.ts'
import { ERRORS, SpindleError } from '../runtime/errors.ts'
import { status } from '../runtime/grpc-status.ts'
import { shownText } from '../runtime/shown-text.ts'
import { isNoAnswer } from './no-answer.ts'
import { errorOfStatus } from './status.ts'

const CODES: Readonly<Record<number, ErrorCode>> = {
  [status.INVALID_ARGUMENT]: 'request_invalid',
  [status.OUT_OF_RANGE]: 'request_invalid',
  [status.NOT_FOUND]: 'not_found',
  [status.ALREADY_EXISTS]: 'precondition_failed',
  [status.FAILED_PRECONDITION]: 'precondition_failed',
  [status.ABORTED]: 'precondition_failed',
  [status.RESOURCE_EXHAUSTED]: 'limit_reached',
  [status.PERMISSION_DENIED]: 'peer_refused',
  [status.UNAUTHENTICATED]: 'peer_refused',
  [status.UNAVAILABLE]: 'not_ready',
  [status.UNIMPLEMENTED]: 'unsupported',
}

export function errorOfServer(failure: ServiceError, target: string): SpindleError {
  const { code, details } = failure
  if (isNoAnswer(failure) || isCoded(details)) return errorOfStatus(failure, target)
  // Nobody here has cancelled it: the server is ending.
  if (code === status.CANCELLED) return new SpindleError('unreachable', `${target} ended the call`)
  const known = CODES[code]
  const words = shownText(details, 512)
  if (known !== undefined && words !== '') return new SpindleError(known, words)
  const said = words === '' ? '' : `: ${words}`
  return new SpindleError(known ?? 'internal', `${target} answered with status ${code}${said}`)
}

/** Whether a Spindle server put one of its codes in front. */
function isCoded(details: string): boolean {
  const code = /^([a-z_]+): /.exec(details)?.[1]
  return code !== undefined && Object.hasOwn(ERRORS, code)
}
