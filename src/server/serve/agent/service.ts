/** SPIRE's Agent service: how nodes come in, stay in, are looked at and are put out. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { Agent as AgentService } from '#spire/api/server/agent/v1/agent_pb.js'
import type {
  PostStatusRequest,
  PostStatusResponseSchema,
} from '#spire/api/server/agent/v1/agent_pb.js'
import { SpindleError, codeOf } from '../../../runtime/errors.ts'
import type { SpiffeId } from '../../../spiffe/spiffe-id.ts'
import { MOST_A_PAGE } from '../../../store/port.ts'
import { WordedStatus } from '../../../wire/status.ts'
import { auditCaller } from '../../admit/peer.ts'
import { applyMask } from '../api/mask.ts'
import { answerPage } from '../api/page.ts'
import { servedDefinition, unaryHandlers } from '../service.ts'
import type { Answers, ApiService, Asked } from '../service.ts'
import { attestAgent } from './attest.ts'
import { changeKnownAgent } from './change.ts'
import { agentMessage, readAgentFilter, readAgentId } from './message.ts'
import type { AgentParts } from './parts.ts'
import { agentNotFound, audited } from './refusals.ts'
import { invalid } from '../worded.ts'
import { callerSvid, renewAgent } from './renew.ts'
import { AttestSteps } from './steps.ts'
import type { AttestCall } from './steps.ts'
import { createJoinToken } from './token.ts'
import { createTurns } from './turns.ts'
import type { Turns } from './turns.ts'

const ATTEST = `/${AgentService.typeName}/AttestAgent`
/** Bytes, as SPIRE has it. */
const MAX_VERSION = 255

export function createAgentService(parts: AgentParts): ApiService {
  const { clock, faulted } = parts
  const turns = createTurns(parts)
  const answers = agentAnswers(parts, turns)
  const open = new Set<AttestSteps>()
  const attest = async (call: AttestCall, asked: Asked): Promise<void> => {
    const steps = new AttestSteps(call, clock)
    open.add(steps)
    try {
      const refused = audited(parts, asked, 'node_attestation')
      steps.finish(await attestAgent(steps, asked, { parts, turns }).catch(refused))
    } catch (thrown) {
      if (codeOf(thrown) === 'internal' && !(thrown instanceof WordedStatus))
        faulted(ATTEST, thrown)
      steps.refuse(thrown)
    } finally {
      open.delete(steps)
    }
  }
  return {
    addTo(way) {
      way.server.addService(servedDefinition(AgentService), {
        ...unaryHandlers(AgentService, answers, { way, faulted }),
        AttestAgent(call: AttestCall) {
          const peer = way.peerOf(call)
          void attest(call, { peer, caller: auditCaller(peer), method: ATTEST })
        },
      })
    },
    endStreams(why) {
      for (const steps of open) steps.stop(new SpindleError('not_ready', why))
    },
  }
}

function agentAnswers(parts: AgentParts, turns: Turns): Answers<typeof AgentService> {
  const { trustDomain, store } = parts
  return {
    async countAgents({ filter }) {
      return { count: await store.agents.count(readAgentFilter(filter)) }
    },
    async listAgents({ filter: asked, outputMask, ...page }) {
      const filter = readAgentFilter(asked)
      const { items, nextPageToken } = await answerPage(page, {
        most: MOST_A_PAGE,
        async read(one) {
          const read = await store.agents.list(filter, one)
          const messages = read.items.map((agent) =>
            applyMask(outputMask, agentMessage(agent), 'id'),
          )
          return { ...read, items: messages }
        },
      })
      return { agents: [...items], nextPageToken }
    },
    async getAgent({ id, outputMask }) {
      const agent = await store.agents.get(readAgentId(id, trustDomain))
      if (agent === undefined) throw agentNotFound()
      return applyMask(outputMask, agentMessage(agent), 'id')
    },
    deleteAgent: async ({ id }, asked) =>
      putOut(readAgentId(id, trustDomain), asked, {
        parts,
        action: 'evict',
      }),
    banAgent: async ({ id }, asked) =>
      putOut(readAgentId(id, trustDomain), asked, {
        parts,
        action: 'ban',
      }),
    renewAgent: (request, asked) =>
      renewAgent(request, asked, { parts, turns }).catch(audited(parts, asked, 'renewal')),
    createJoinToken: (request, asked) => createJoinToken(request, asked, parts),
    async postStatus(request, asked) {
      // Nothing that is too long stands in line.
      checkVersion(request)
      await turns.report(asked)
      return await postStatus(request, asked, parts)
    },
  }
}

/** An agent that is evicted may attest again, one that is banned may not. */
async function putOut(
  id: SpiffeId,
  { caller, method }: Asked,
  { parts, action }: { readonly parts: AgentParts; readonly action: 'evict' | 'ban' },
): Promise<object> {
  await changeKnownAgent(parts.store, id, {
    refusalOf: (agent) => (agent === undefined ? agentNotFound() : undefined),
    change(agent) {
      const { pending: _, ...rest } = agent
      return action === 'ban' ? { ...rest, banned: true } : undefined
    },
  })
  parts.audit.write({ event: 'changed', caller, method, object: 'agent', key: id, action })
  await parts.registry.shown()
  return {}
}

function checkVersion({ agentVersion: version }: PostStatusRequest): void {
  if (Buffer.byteLength(version) > MAX_VERSION)
    throw invalid(`agent version is too long (max ${MAX_VERSION} characters)`)
  if (/\p{Cc}/u.test(version)) throw invalid('agent version has a control character')
}

/** What an agent says it runs. */
async function postStatus(
  { agentVersion: version }: PostStatusRequest,
  asked: Asked,
  { store, audit }: AgentParts,
): Promise<MessageInitShape<typeof PostStatusResponseSchema>> {
  if (version === '') return {}
  const { spiffeId: key } = callerSvid(asked)
  let before: string | undefined
  await changeKnownAgent(store, key, {
    refusalOf: (agent) => (agent === undefined ? agentNotFound() : undefined),
    change(agent) {
      before = agent.version
      return { ...agent, version }
    },
  })
  const { caller, method } = asked
  if (before !== version)
    audit.write({ event: 'changed', caller, method, object: 'agent', key, action: 'version' })
  return {}
}
