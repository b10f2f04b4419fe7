import type { ServiceError } from '@grpc/grpc-js'
import { status } from '../runtime/grpc-status.ts'

/** What grpc-js says by itself where no server answered. */
const BY_ITSELF =
  /^(?:No connection established|Connection dropped|Channel closed|Name resolution|(?:read|write) E[A-Z]+)|\bconnect E[A-Z]+\b/

/** Whether nobody answered at all, or not in time. */
export function isNoAnswer({ code, details }: ServiceError): boolean {
  return code === status.DEADLINE_EXCEEDED || BY_ITSELF.test(details)
}
