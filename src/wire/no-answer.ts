import type { ServiceError } from '@grpc/grpc-js'
import { status } from '../runtime/grpc-status.ts'

const BY_ITSELF =
  /^(?:No connection established|Connection dropped|Channel closed|Name resolution|(?:read|write) E[A-Z]+)|\bconnect E[A-Z]+\b/

/** Whether it is what grpc-js says by itself where no server answered. */
export const isOfGrpcJs = (details: string): boolean => BY_ITSELF.test(details)

/** Whether nobody answered at all, or not in time. */
export function isNoAnswer({ code, details }: ServiceError): boolean {
  return code === status.DEADLINE_EXCEEDED || isOfGrpcJs(details)
}
