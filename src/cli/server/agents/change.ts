import { Agent as AgentService } from '#spire/api/server/agent/v1/agent_pb.js'
import { systemClock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Io } from '../../io.ts'
import { CommandFailed } from '../../io.ts'
import { renderPlain } from '../../output.ts'
import type { PurgeOptions } from '../given.ts'
import { allPages, askServer, withServer } from '../ask.ts'
import { idMessage } from '../entry/filter.ts'
import { idText } from '../entry/print.ts'
import type { ServerOptions } from '../options.ts'
import { counted } from '../text.ts'

type OfOne = ServerOptions & { readonly spiffeId: string }

export function banAgent(io: Io, options: OfOne): Promise<void> {
  return askServer(io, options, {
    method: AgentService.method.banAgent,
    request: { id: idMessage(options.spiffeId) },
    text: () => 'Agent banned successfully\n',
  })
}

export function evictAgent(io: Io, options: OfOne): Promise<void> {
  return askServer(io, options, {
    method: AgentService.method.deleteAgent,
    request: { id: idMessage(options.spiffeId) },
    text: () => 'Agent evicted successfully\n',
  })
}

interface Expired {
  readonly agent_id: string
  readonly deleted: boolean
  readonly error?: string
}

const PAGE = 1000

/** Those alone that could attest anew: the others would be lost. */
export async function purgeAgents(io: Io, options: PurgeOptions): Promise<void> {
  const { expiredFor, dryRun = false, output } = options
  const before = systemClock.now() / 1000 - expiredFor
  const expired: Expired[] = await withServer(options, async (server) => {
    const agents = await allPages(async (pageToken) => {
      const answer = await server.call(AgentService.method.listAgents, {
        filter: { byCanReattest: true },
        outputMask: { x509svidExpiresAt: true },
        pageSize: PAGE,
        pageToken,
      })
      return { items: answer.agents, next: answer.nextPageToken }
    })
    const found: Expired[] = []
    for (const { id, x509svidExpiresAt } of agents) {
      if (id === undefined || Number(x509svidExpiresAt) >= before) continue
      const purge = async (): Promise<void> =>
        void (await server.call(AgentService.method.deleteAgent, { id }))
      found.push(await purged(idText(id), dryRun ? undefined : purge))
    }
    return found
  })
  io.out(
    output === 'table'
      ? purgedText(expired, dryRun)
      : renderPlain(output, { expired_agents: expired }),
  )
  if (expired.some(({ error }) => error !== undefined)) throw new CommandFailed(1)
}

async function purged(id: string, purge?: () => Promise<void>): Promise<Expired> {
  try {
    await purge?.()
    return { agent_id: id, deleted: purge !== undefined }
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    return { agent_id: id, deleted: false, error: thrown.message }
  }
}

function purgedText(expired: readonly Expired[], dryRun: boolean): string {
  if (expired.length === 0) return 'No agents to purge.\n'
  const list = (head: string, of: readonly Expired[]): string =>
    of.length === 0 ? '' : `${head}\n${of.map(expiredText).join('')}`
  const found = `Found ${counted(expired.length, 'expired agent')}\n\n`
  if (dryRun) return `${found}\n${list('Agents that can be purged:', expired)}`
  const [done, left] = [true, false].map((yes) => expired.filter(({ deleted }) => deleted === yes))
  return `${found}${list('Agents purged:', done ?? [])}${list('Agents not purged:', left ?? [])}`
}

function expiredText({ agent_id: id, error }: Expired): string {
  const failed = error === undefined ? '' : `Error             : ${error}\n`
  return `SPIFFE ID         : ${id}\n${failed}`
}
