/** AttestAgent: from a node's proof to an agent in the registry, with its first X.509-SVID. */
import { create } from '@bufbuild/protobuf'
import type {
  AttestAgentRequest_Params,
  AttestAgentResponse,
} from '#spire/api/server/agent/v1/agent_pb.js'
import { AttestAgentResponseSchema } from '#spire/api/server/agent/v1/agent_pb.js'
import { status } from '../../../runtime/grpc-status.ts'
import { wordedStatus } from '../../../wire/status.ts'
import type { Asked } from '../service.ts'
import { enroll, enrolmentRefusal } from './enroll.ts'
import type { AgentParts } from './parts.ts'
import { invalid } from '../worded.ts'
import type { AttestSteps } from './steps.ts'
import { auditIssued, keyOf, signAgentSvid, svidMessage } from './svid.ts'
import type { Turns } from './turns.ts'

export async function attestAgent(
  steps: AttestSteps,
  asked: Asked,
  { parts, turns }: { readonly parts: AgentParts; readonly turns: Turns },
): Promise<AttestAgentResponse> {
  await turns.attest({ ...asked, signal: steps.signal })
  const lost = { code: status.INVALID_ARGUMENT, what: 'failed to receive request from stream' }
  const { step } = await steps.next(lost)
  const { type, payload, csr } = proofOf(step.case === 'params' ? step.value : undefined)
  const spki = keyOf(csr)
  const attestor = parts.attestors.get(type)
  if (attestor === undefined) throw unknownType(type)
  const attested = await attestor.attest(payload, (bytes) => steps.challenge(bytes), {
    address: asked.peer.kind === 'remote' ? asked.peer.address : undefined,
    signal: steps.signal,
  })
  const current = await parts.store.agents.get(attested.agentId)
  const refusal = enrolmentRefusal(current, attested, type)
  if (refusal !== undefined) throw refusal
  const svid = await signAgentSvid(parts, attested.agentId, spki)
  // A node that has gone would be locked out by its own first use.
  steps.check()
  await enroll(parts, { attested, svid, type })
  const { caller, method } = asked
  const about = { object: 'agent', key: attested.agentId, action: `attest ${type}` } as const
  parts.audit.write({ event: 'changed', caller, method, ...about })
  auditIssued(parts, asked, svid)
  await parts.registry.shown()
  const value = { svid: svidMessage(svid), reattestable: attested.canReattest }
  return create(AttestAgentResponseSchema, { step: { case: 'result', value } })
}

interface Proof {
  readonly type: string
  readonly payload: Uint8Array
  readonly csr: Uint8Array
}

function proofOf(given: AttestAgentRequest_Params | undefined): Proof {
  const malformed = (why: string) => invalid(`malformed param: ${why}`)
  if (given === undefined) throw malformed('missing params')
  const { data, params } = given
  if (data === undefined) throw malformed('missing attestation data')
  if (params === undefined) throw malformed('missing X509-SVID parameters')
  if (params.csr.length === 0) throw malformed('missing CSR')
  if (data.type === '') throw malformed('missing attestation data type')
  if (data.payload.length === 0) throw malformed('missing attestation data payload')
  return { type: data.type, payload: data.payload, csr: params.csr }
}

function unknownType(type: string) {
  const shown = JSON.stringify(type.slice(0, 64))
  const text = `error getting node attestor: could not find node attestor type ${shown}`
  return wordedStatus(status.FAILED_PRECONDITION, text)
}
