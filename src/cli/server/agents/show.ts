import { create } from '@bufbuild/protobuf'
import {
  Agent as AgentService,
  ListAgentsResponseSchema,
} from '#spire/api/server/agent/v1/agent_pb.js'
import type { Agent } from '#spire/api/types/agent_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Io } from '../../io.ts'
import type { AgentFilterFlags } from '../given.ts'
import { allPages, askServer, rendered, withServer } from '../ask.ts'
import { idMessage, selectorFilter } from '../entry/filter.ts'
import { idText } from '../entry/print.ts'
import type { ServerOptions } from '../options.ts'
import { counted, goInstant } from '../text.ts'

const PAGE = 1000

export async function listAgents(io: Io, options: ServerOptions & AgentFilterFlags): Promise<void> {
  const filter = filterOf(options)
  const agents = await withServer(options, (server) =>
    allPages(async (pageToken) => {
      const request = { filter, pageSize: PAGE, pageToken }
      const answer = await server.call(AgentService.method.listAgents, request)
      return { items: answer.agents, next: answer.nextPageToken }
    }),
  )
  const schema = ListAgentsResponseSchema
  const text = (): string =>
    agents.length === 0
      ? 'No attested agents found\n'
      : `Found ${counted(agents.length, 'attested agent')}:\n\n${agents.map(agentText).join('')}`
  io.out(rendered(options.output, { schema, value: create(schema, { agents }) }, text))
}

export function countAgents(io: Io, options: ServerOptions & AgentFilterFlags): Promise<void> {
  return askServer(io, options, {
    method: AgentService.method.countAgents,
    request: { filter: filterOf(options) },
    text: ({ count }) => `${counted(count, 'attested agent')}\n`,
  })
}

export function showAgent(
  io: Io,
  options: ServerOptions & { readonly spiffeId: string },
): Promise<void> {
  return askServer(io, options, {
    method: AgentService.method.getAgent,
    request: { id: idMessage(options.spiffeId) },
    text(agent) {
      const selectors = agent.selectors.map(
        ({ type, value }) => `Selectors         : ${type}:${value}\n`,
      )
      return `Found an attested agent given its SPIFFE ID\n\n${agentText(agent)}${selectors.join('')}`
    },
  })
}

function agentText(agent: Agent): string {
  const lines: readonly (readonly [name: string, value: string])[] = [
    ['SPIFFE ID', idText(agent.id)],
    ['Attestation type', agent.attestationType],
    ['Expiration time', goInstant(agent.x509svidExpiresAt)],
    // What is banned has no certificate that counts.
    agent.banned ? ['Banned', 'true'] : ['Serial number', agent.x509svidSerialNumber],
    ['Can re-attest', String(agent.canReattest)],
    ...(agent.agentVersion === '' ? [] : ([['Agent version', agent.agentVersion]] as const)),
  ]
  return `${lines.map(([name, value]) => `${name.padEnd(17)} : ${value}\n`).join('')}\n`
}

/** Of ListAgents and of CountAgents alike. @throws SpindleError `usage`, `selector_invalid` */
function filterOf(flags: AgentFilterFlags) {
  const { selector, attestationType, expiresBefore } = flags
  const [banned, canReattest] = [either(flags.banned), either(flags.canReattest)]
  return {
    ...(selector !== undefined && {
      bySelectorMatch: selectorFilter(selector, flags.matchSelectorsOn),
    }),
    ...(attestationType !== undefined && { byAttestationType: attestationType }),
    ...(banned !== undefined && { byBanned: banned }),
    ...(canReattest !== undefined && { byCanReattest: canReattest }),
    ...(expiresBefore !== undefined && { byExpiresBefore: instantOf(expiresBefore) }),
  }
}

/** Any other text means both, as SPIRE has it. */
function either(text: string | undefined): boolean | undefined {
  return text === 'true' || text === 'false' ? text === 'true' : undefined
}

const SPIRES = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} [+-]\d\d$/

/** As the API takes it: `2006-01-02 15:04:05 -0700 -07`. */
function instantOf(text: string): string {
  if (SPIRES.test(text)) return text
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(at))
    return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} +0000 +00`
  throw new SpindleError(
    'usage',
    `--expires-before is no instant such as "2006-01-02 15:04:05 -0700 -07": ${JSON.stringify(text)}`,
  )
}
