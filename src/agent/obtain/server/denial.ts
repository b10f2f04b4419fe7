/** What a refusal by the server asks of the agent. */
import {
  PermissionDeniedDetailsSchema,
  PermissionDeniedDetails_Reason as Reason,
} from '../../../gen/spire/api/types/status_pb.js'
import { messageOf } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { CallFault, UNKNOWN_AUTHORITY } from '../../../wire/call-fault.ts'

/**
 * banned: nothing helps but the operator · attest: its SVID counts no more, so that it has to attest anew · refused: it may not do
 * what it asked for · undefined: it was no refusal.
 */
export type Denial = 'banned' | 'attest' | 'refused' | undefined

const ATTEST_ANEW: readonly Reason[] = [
  Reason.AGENT_EXPIRED,
  Reason.AGENT_NOT_ATTESTED,
  Reason.AGENT_NOT_ACTIVE,
  Reason.AGENT_MUST_REATTEST,
]

export function denialOf(thrown: unknown): Denial {
  if (!(thrown instanceof CallFault) || !thrown.answered) return undefined
  // It is what a server says of a certificate that it does not know.
  if (thrown.status === status.UNAUTHENTICATED) return 'attest'
  if (thrown.status !== status.PERMISSION_DENIED) return undefined
  const reason = thrown.detail(PermissionDeniedDetailsSchema)?.reason
  if (reason === Reason.AGENT_BANNED) return 'banned'
  return reason !== undefined && ATTEST_ANEW.includes(reason) ? 'attest' : 'refused'
}

export function isUnimplemented(thrown: unknown): boolean {
  return thrown instanceof CallFault && thrown.answered && thrown.status === status.UNIMPLEMENTED
}

/** Why a call came to nothing, for people. */
export function wordsOf(thrown: unknown): string {
  const isUnknown = thrown instanceof CallFault && thrown.message.endsWith(UNKNOWN_AUTHORITY)
  return isUnknown ? `${thrown.message}. ${OTHER_AUTHORITIES}` : messageOf(thrown)
}

const OTHER_AUTHORITIES =
  'If the server has other authorities by now, this agent cannot know: stop it, remove its cache, and start it with a bundle of today (node.sealed in stateDir; spindle bundle show on the server)'
