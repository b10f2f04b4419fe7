/** Errors as gRPC statuses: the one place where a code becomes a status. */
import type { ServiceError, StatusObject } from '@grpc/grpc-js'
import { Metadata } from '@grpc/grpc-js'
import { ERRORS, SpindleError, messageOf } from '../runtime/errors.ts'

/** Details are plain ASCII without control characters: Envoy logs them percent-encoded. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 512)
}

/** Anything thrown as a status. What is not a SpindleError tells the caller nothing of the inside. */
export function statusOf(thrown: unknown): StatusObject {
  const known = thrown instanceof SpindleError ? thrown : undefined
  return {
    code: ERRORS[known?.code ?? 'internal'].grpc,
    details: known === undefined ? 'internal error' : plain(`${known.code}: ${messageOf(known)}`),
    metadata: new Metadata(),
  }
}

const CODED = /^([a-z_]+): (.*)$/s

/** A client's view of a failed call, back as the coded error where the server sent one. */
export function errorOfStatus(failure: ServiceError, target: string): SpindleError {
  const coded = CODED.exec(failure.details)
  if (coded?.[1] !== undefined && Object.hasOwn(ERRORS, coded[1]))
    return new SpindleError(coded[1] as keyof typeof ERRORS, coded[2] ?? '')
  if (failure.code === 14 || failure.code === 4)
    return new SpindleError('unreachable', `${target} does not answer: ${failure.details}`)
  return new SpindleError(
    'internal',
    `${target} answered status ${failure.code}: ${failure.details}`,
  )
}
