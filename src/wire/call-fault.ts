/** Why a call of a server over TLS came to nothing, in words that say where to look. */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { fromBinary } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import type { ServiceError } from '@grpc/grpc-js'
import { StatusSchema } from '../gen/google/rpc/status_pb.js'
import type { ErrorCode } from '../runtime/errors.ts'
import { SpindleError } from '../runtime/errors.ts'
import { status } from '../runtime/grpc-status.ts'
import { shownText } from '../runtime/shown-text.ts'
import { isOfGrpcJs } from './no-answer.ts'
import { DETAILS } from './status.ts'

export interface CallFailure {
  readonly code: ErrorCode
  readonly message: string
  /** gRPC's. */
  readonly status: number
  /** Of the status, as it came; a server chose it. */
  readonly details: string
  /** Whether a server said so; false: there was no connection, or no answer in time. */
  readonly answered: boolean
  /** A serialised google.rpc.Status. */
  readonly more?: Buffer | undefined
}

/** Why a call to a server came to nothing. */
export class CallFault extends SpindleError {
  readonly status: number
  readonly details: string
  readonly answered: boolean
  readonly #more: Buffer | undefined

  constructor({ code, message, status, details, answered, more }: CallFailure) {
    super(code, message)
    this.status = status
    this.details = shownText(details, 512)
    this.answered = answered
    this.#more = more
  }

  /** What the status has of this kind beside its text; undefined: nothing, or nothing that can be read. */
  detail<D extends DescMessage>(schema: D): MessageShape<D> | undefined {
    if (this.#more === undefined) return undefined
    try {
      for (const any of fromBinary(StatusSchema, this.#more).details) {
        const found = anyUnpack(any, schema)
        if (found !== undefined) return found
      }
    } catch {
      // A text is all there is then.
    }
    return undefined
  }
}

/** Of gRPC's metadata. */
function moreOf(metadata: { get(name: string): readonly unknown[] }): Buffer | undefined {
  const [more] = metadata.get(DETAILS)
  return Buffer.isBuffer(more) ? more : undefined
}

/** That the server's certificate leads to none of the authorities that are known. */
export const UNKNOWN_AUTHORITY = 'no authority of the bundle signed it'

/** What OpenSSL says of a server's certificate, in grpc-js's text, and what such a one is. */
const OF_CERTIFICATE: readonly (readonly [says: RegExp, is: string])[] = [
  [
    /certificate is not yet valid/i,
    'is not valid yet by the clock of this host: do the clocks differ?',
  ],
  [
    /certificate has expired/i,
    'has expired by the clock of this host, or what signed it has: do the clocks differ?',
  ],
  [
    /self-signed certificate|unable to (?:get|verify)/i,
    `is not the server's: ${UNKNOWN_AUTHORITY}`,
  ],
]

/** What OpenSSL says of the server's opinion of ours. */
const ALERT = /alert (?:bad certificate|unknown ca|certificate (?:expired|unknown|revoked))/i

export function callFault(
  failure: ServiceError,
  shown: string,
  refusal: SpindleError | undefined,
): CallFault {
  const { details } = failure
  const common = { status: failure.code, details }
  if (failure.code !== status.UNAVAILABLE || !isOfGrpcJs(details)) {
    const message = `${shown} answered: ${failure.details || `status ${failure.code}`}`
    const more = moreOf(failure.metadata)
    return new CallFault({
      ...common,
      code: 'authority_unavailable',
      message,
      answered: true,
      more,
    })
  }
  const untrusted =
    refusal === undefined ? ofCertificate(details) : `is not the server's: ${refusal.message}`
  if (untrusted !== undefined) {
    const message = `${shown} shows a certificate that ${untrusted}`
    return new CallFault({ ...common, code: 'certificate_invalid', message, answered: false })
  }
  const message = ALERT.test(details)
    ? `${shown} does not take the certificate of this agent`
    : `${shown} does not answer: ${connectWords(details)}`
  return new CallFault({ ...common, code: 'unreachable', message, answered: false })
}

const ofCertificate = (details: string): string | undefined =>
  OF_CERTIFICATE.find(([says]) => says.test(details))?.[1]

/** What else is in the way of a connection, and what it means. */
const OF_CONNECTION: readonly (readonly [says: RegExp, means: string])[] = [
  [/^Name resolution failed/, 'no address is known for that name'],
  [/wrong version number|http request|packet length too long/, 'what listens there speaks no TLS'],
]

function connectWords(details: string): string {
  const known = OF_CONNECTION.find(([says]) => says.test(details))?.[1]
  const errno = /\b(?:connect|getaddrinfo|read|write) (E[A-Z_]+)\b/.exec(details)?.[1]
  return (
    known ?? errno ?? details.replace(/^No connection established\. Last error: /, '').slice(0, 200)
  )
}

export function noAnswer(shown: string, withinMs: number): CallFault {
  const message = `${shown} does not answer: nothing within ${withinMs / 1_000} s`
  const { DEADLINE_EXCEEDED } = status
  return new CallFault({
    code: 'unreachable',
    message,
    status: DEADLINE_EXCEEDED,
    details: '',
    answered: false,
  })
}
