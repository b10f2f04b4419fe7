/** Why an agent is refused, in SPIRE's words and with the details that its agents act on. */
import { create } from '@bufbuild/protobuf'
import {
  PermissionDeniedDetailsSchema,
  PermissionDeniedDetails_Reason as Reason,
} from '#spire/api/types/status_pb.js'
import { ERRORS, codeOf, messageOf } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { WordedStatus, wordedStatus } from '../../../wire/status.ts'
import type { Asked } from '../service.ts'
import type { AgentParts } from './parts.ts'

function denied(text: string, reason: Reason): WordedStatus {
  const value = create(PermissionDeniedDetailsSchema, { reason })
  const detail = { schema: PermissionDeniedDetailsSchema, value }
  return wordedStatus(status.PERMISSION_DENIED, text, detail)
}

export const bannedFrom = (what: string): WordedStatus =>
  denied(`failed to ${what}: agent is banned`, Reason.AGENT_BANNED)

export const mustReattest = (): WordedStatus =>
  denied('agent must reattest instead of renew', Reason.AGENT_MUST_REATTEST)

export const agentNotFound = (): WordedStatus => wordedStatus(status.NOT_FOUND, 'agent not found')

/** The server cannot just now, the line is too long, or nobody waits any more: nothing was judged. */
const UNJUDGED: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.RESOURCE_EXHAUSTED,
  status.UNAVAILABLE,
  status.DATA_LOSS,
])

function isDenial(thrown: unknown): boolean {
  if (thrown instanceof WordedStatus) return !UNJUDGED.has(thrown.status.code)
  const code = codeOf(thrown)
  return code !== 'internal' && !UNJUDGED.has(ERRORS[code].grpc)
}

/** Writes of a call that failed what the audit has to know of it, and throws it on. */
export function audited(
  { audit }: Pick<AgentParts, 'audit'>,
  { caller, method }: Asked,
  reason: 'node_attestation' | 'renewal',
): (thrown: unknown) => never {
  return (thrown) => {
    const detail = thrown instanceof WordedStatus ? thrown.status.details : messageOf(thrown)
    if (isDenial(thrown)) audit.write({ event: 'denied', caller, method, reason, detail })
    throw thrown
  }
}
