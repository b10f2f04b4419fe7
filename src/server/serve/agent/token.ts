/** CreateJoinToken: what an operator gives one node to join with; where asked its agent gets an entry that it is known by. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { CreateJoinTokenRequest } from '#spire/api/server/agent/v1/agent_pb.js'
import type { JoinTokenSchema } from '#spire/api/types/jointoken_pb.js'
import { drawUuid } from '../../../runtime/random.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { wordedStatus } from '../../../wire/status.ts'
import { joinTokenAgentId } from '../../enroll/attest/join-token.ts'
import { readWorkloadId } from '../api/ids.ts'
import { reading } from '../api/status.ts'
import type { Asked } from '../service.ts'
import type { AgentParts } from './parts.ts'
import { invalid } from '../worded.ts'

export async function createJoinToken(
  request: CreateJoinTokenRequest,
  asked: Asked,
  parts: AgentParts,
): Promise<MessageInitShape<typeof JoinTokenSchema>> {
  const { store, clock, random, trustDomain } = parts
  if (request.ttl < 1) throw invalid('ttl is required, you must provide one')
  const alias =
    request.agentId &&
    reading('invalid agent ID', () => readWorkloadId(request.agentId, trustDomain))
  // As SPIRE's tokens are.
  const text = request.token === '' ? drawUuid(random) : request.token
  checkText(text, parts)
  // Whole seconds, as it is told.
  const expiresAt = (Math.floor(clock.now() / 1_000) + request.ttl) * 1_000
  const made = await store.joinTokens.create(text, { expiresAt, ...(alias && { alias }) })
  if (!made)
    throw wordedStatus(status.ALREADY_EXISTS, 'failed to create token: there is one of that text')
  const { caller, method } = asked
  const about = { object: 'join-token', key: alias ?? '', action: 'create' } as const
  parts.audit.write({ event: 'changed', caller, method, ...about })
  return { value: text, expiresAt: BigInt(expiresAt / 1_000) }
}

/** The text is in the ID of the agent. @throws WordedStatus, which does not quote it */
function checkText(text: string, { trustDomain }: AgentParts): void {
  try {
    joinTokenAgentId(trustDomain, text)
  } catch {
    throw invalid('invalid token: it is to be one part of the path of a SPIFFE ID')
  }
}
