/** Errors as gRPC statuses: the one place where a code becomes a status. */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { create, toBinary } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import type { ServiceError, StatusObject } from '@grpc/grpc-js'
import { Metadata } from '@grpc/grpc-js'
import { StatusSchema } from '../gen/google/rpc/status_pb.js'
import { ERRORS, SpindleError, messageOf } from '../runtime/errors.ts'
import { status } from '../runtime/grpc-status.ts'

/** Details are plain ASCII without control characters: Envoy logs them percent-encoded. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 512)
}

/** A status in the words of the API that is served, which its clients may depend on: sent as it is. */
export class WordedStatus {
  readonly status: StatusObject

  constructor(status: StatusObject) {
    this.status = status
  }
}

/** Why a call is refused. */
export type Refusal = SpindleError | WordedStatus

/** Where gRPC carries what is more than a code and a text: a google.rpc.Status. */
export const DETAILS = 'grpc-status-details-bin'

export function wordedStatus<D extends DescMessage>(
  code: number,
  text: string,
  detail?: { readonly schema: D; readonly value: MessageShape<D> },
): WordedStatus {
  const metadata = new Metadata()
  if (detail !== undefined) {
    const details = [anyPack(detail.schema, detail.value)]
    const bytes = toBinary(StatusSchema, create(StatusSchema, { code, message: text, details }))
    metadata.set(DETAILS, Buffer.from(bytes))
  }
  return new WordedStatus({ code, details: plain(text), metadata })
}

/** Anything thrown as a status. What is not a SpindleError tells the caller nothing of the inside. */
export function statusOf(thrown: unknown): StatusObject {
  if (thrown instanceof WordedStatus) return thrown.status
  const known = thrown instanceof SpindleError ? thrown : undefined
  return {
    code: ERRORS[known?.code ?? 'internal'].grpc,
    details: known === undefined ? 'internal error' : plain(`${known.code}: ${messageOf(known)}`),
    metadata: new Metadata(),
  }
}

const CODED = /^([a-z_]+): (.*)$/s

/** What connect(2) says of a Unix socket. */
const CONNECT: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket (ENOENT)',
  ECONNREFUSED: 'nobody listens there (ECONNREFUSED)',
  EINVAL: 'a path of a socket has at most 107 bytes (EINVAL)',
}

/** What grpc-js says by itself where there was no errno. */
function withoutErrno(details: string): string {
  const after = /^Deadline exceeded after (\d+)(?:\.(\d))?/.exec(details)
  if (after !== null)
    return `nothing within ${Math.round(Number(`${after[1]}.${after[2] ?? 0}`))} s`
  if (/Last error: Protocol error/.test(details)) return 'what listens there speaks no gRPC'
  return plain(details)
}

/** A client's view of a failed call, back as the coded error where the server sent one. */
export function errorOfStatus(failure: ServiceError, target: string): SpindleError {
  const coded = CODED.exec(failure.details)
  if (coded?.[1] !== undefined && Object.hasOwn(ERRORS, coded[1]))
    return new SpindleError(coded[1] as keyof typeof ERRORS, coded[2] ?? '')
  if (failure.code === status.UNAVAILABLE || failure.code === status.DEADLINE_EXCEEDED) {
    // grpc-js tells the errno of connect(2) in the middle of a text that says it twice.
    const errno = /\bconnect (E[A-Z]+)\b/.exec(failure.details)?.[1]
    if (errno === 'EACCES' || errno === 'EPERM')
      return new SpindleError('peer_refused', `${target} is not open to this user (${errno})`)
    const why = errno === undefined ? withoutErrno(failure.details) : CONNECT[errno]
    return new SpindleError('unreachable', `${target} does not answer: ${why ?? errno}`)
  }
  if (failure.code === status.UNIMPLEMENTED)
    return new SpindleError('unreachable', `${target} is the socket of another service`)
  return new SpindleError(
    'internal',
    `${target} answered status ${failure.code}: ${failure.details}`,
  )
}
