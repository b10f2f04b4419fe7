import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { fromBinary } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { StatusSchema } from '../gen/google/rpc/status_pb.js'
import type { ErrorCode } from '../runtime/errors.ts'
import { SpindleError } from '../runtime/errors.ts'
import { shownText } from '../runtime/shown-text.ts'
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
export function moreOf(metadata: { get(name: string): readonly unknown[] }): Buffer | undefined {
  const [more] = metadata.get(DETAILS)
  return Buffer.isBuffer(more) ? more : undefined
}
