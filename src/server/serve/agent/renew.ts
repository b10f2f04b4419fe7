/** RenewAgent: the next X.509-SVID of an agent, good from its first use on; until then the one before is, too. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  RenewAgentRequest,
  RenewAgentResponseSchema,
} from '#spire/api/server/agent/v1/agent_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import type { AttestedAgent } from '../../../store/model.ts'
import type { WordedStatus } from '../../../wire/status.ts'
import { denial } from '../../admit/admission.ts'
import type { PeerSvid } from '../../admit/peer.ts'
import { isActive } from '../../enroll/standing.ts'
import type { Asked } from '../service.ts'
import { changeKnownAgent } from './change.ts'
import type { AgentParts } from './parts.ts'
import { agentNotFound, bannedFrom, mustReattest } from './refusals.ts'
import { invalid } from '../worded.ts'
import { auditIssued, keyOf, signAgentSvid, svidMessage } from './svid.ts'
import type { Turns } from './turns.ts'

export async function renewAgent(
  { params }: RenewAgentRequest,
  asked: Asked,
  { parts, turns }: { readonly parts: AgentParts; readonly turns: Turns },
): Promise<MessageInitShape<typeof RenewAgentResponseSchema>> {
  const caller = callerSvid(asked)
  const { spiffeId } = caller
  const refusalOf = (agent: AttestedAgent | undefined) => refusalFor(caller, asked, agent)
  await turns.renew(asked)
  const refusal = refusalOf(await parts.store.agents.get(spiffeId))
  if (refusal !== undefined) throw refusal
  if (params === undefined) throw invalid('params cannot be nil')
  if (params.csr.length === 0) throw invalid('missing CSR')
  const svid = await signAgentSvid(parts, spiffeId, keyOf(params.csr))
  const pending = { serial: svid.serial, expiresAt: svid.notAfter }
  await changeKnownAgent(parts.store, spiffeId, {
    refusalOf,
    change: (agent) => ({ ...agent, pending }),
  })
  auditIssued(parts, asked, svid)
  await parts.registry.shown()
  return { svid: svidMessage(svid) }
}

/** Of a call that only agents may make. */
export function callerSvid({ peer }: Asked): PeerSvid {
  if (peer.kind === 'remote' && peer.svid !== undefined) return peer.svid
  throw new SpindleError('internal', 'a call of an agent has come from somebody else')
}

function refusalFor(
  caller: PeerSvid,
  { method }: Asked,
  agent: AttestedAgent | undefined,
): WordedStatus | undefined {
  if (agent === undefined) return agentNotFound()
  if (agent.banned) return bannedFrom('renew')
  if (agent.canReattest) return mustReattest()
  // Evicted, and attested anew, since it was let in: what it had is good for nothing any more.
  return isActive(caller, agent) ? undefined : denial(method, 'not-active')
}
