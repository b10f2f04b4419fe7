/** CreateJoinToken: what an operator gives one node to join with, and where asked an entry that its agent is known by. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { CreateJoinTokenRequest } from '#spire/api/server/agent/v1/agent_pb.js'
import type { JoinTokenSchema } from '#spire/api/types/jointoken_pb.js'
import { parseSelector } from '../../../registration/selector.ts'
import { drawUuid } from '../../../runtime/random.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { SpiffeId } from '../../../spiffe/spiffe-id.ts'
import type { NewEntry } from '../../../store/model.ts'
import { wordedStatus } from '../../../wire/status.ts'
import { joinTokenAgentId } from '../../enroll/attest/join-token.ts'
import { auditEntry } from '../api/audit.ts'
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
  const agentId = agentIdFor(text, parts)
  // Whole seconds, as it is told.
  const expiresAt = (Math.floor(clock.now() / 1_000) + request.ttl) * 1_000
  const made = await (alias
    ? store.joinTokens.create(text, { expiresAt, alias }, aliasEntry(agentId, alias))
    : store.joinTokens.create(text, { expiresAt }))
  if (made.kind === 'taken')
    throw wordedStatus(status.ALREADY_EXISTS, 'failed to create token: there is one of that text')
  const { caller, method } = asked
  const about = { object: 'join-token', key: alias ?? '', action: 'create' } as const
  parts.audit.write({ event: 'changed', caller, method, ...about })
  if (made.entry !== undefined) {
    auditEntry(parts, asked, { entry: made.entry, action: 'create' })
    await parts.registry.shown()
  }
  return { value: text, expiresAt: BigInt(expiresAt / 1_000) }
}

/** The text is in the ID of the agent. @throws WordedStatus, which does not quote it */
function agentIdFor(text: string, { trustDomain }: AgentParts): SpiffeId {
  try {
    return joinTokenAgentId(trustDomain, text)
  } catch {
    throw invalid('invalid token: it is to be one part of the path of a SPIFFE ID')
  }
}

/** The entry that SPIRE makes: entries with the alias as parent are the agent's. @throws SpindleError `selector_invalid` */
function aliasEntry(agentId: SpiffeId, alias: SpiffeId): NewEntry {
  return {
    spiffeId: alias,
    parentId: agentId,
    selectors: [parseSelector(`spiffe_id:${agentId}`)],
    federatesWith: [],
    dnsNames: [],
    admin: false,
    downstream: false,
    storeSvid: false,
    hint: '',
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
  }
}
