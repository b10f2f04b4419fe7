import type { MessageInitShape } from '@bufbuild/protobuf'
import type { StatusSchema } from '../../../gen/spire/api/types/status_pb.js'
import { ERRORS, SpindleError, messageOf } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { wordedStatus } from '../../../wire/status.ts'

/** The outcome of one item of a batch: `spire.api.types.Status`. */
export type ItemStatus = MessageInitShape<typeof StatusSchema> & {
  readonly code: number
  readonly message: string
}

/** In SPIRE's words. */
export const ITEM_OK: ItemStatus = { code: status.OK, message: 'OK' }

export function itemStatus(code: number, message: string): ItemStatus {
  return { code, message }
}

/** Why one item is refused, and the others are not: `what` failed, as SPIRE words it, and why. What nobody raised on purpose is thrown on. */
export function itemFault(what: string, thrown: unknown): ItemStatus {
  if (!(thrown instanceof SpindleError)) throw thrown
  return { code: ERRORS[thrown.code].grpc, message: `${what}: ${messageOf(thrown)}` }
}

/** What `read` returns; where it throws on purpose the whole call is refused. @throws WordedStatus */
export function reading<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    const { code, message } = itemFault(what, thrown)
    throw wordedStatus(code, message)
  }
}
