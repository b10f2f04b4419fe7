/** `spindle agent list|show|count|ban|evict|purge`: the agents that a server knows; `spindle agent` by itself runs one. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Io } from '../io.ts'
import type { AgentFilterFlags, PurgeOptions } from './given.ts'
import { another, matchOption, secondsOf, serverCommand } from './options.ts'
import type { ServerOptions } from './options.ts'

type OfOne = ServerOptions & { readonly spiffeId: string }

const PURGE_AFTER_SECONDS = 720 * 3600

export function addAgentsCommands(agent: Command, io: Io): void {
  filterFlags(serverCommand(agent, 'list', "the server's agents, or those asked for")).action(
    async (options: ServerOptions & AgentFilterFlags) => {
      const { listAgents } = await import('./agents/show.ts')
      await listAgents(io, options)
    },
  )
  filterFlags(serverCommand(agent, 'count', 'how many agents the server has')).action(
    async (options: ServerOptions & AgentFilterFlags) => {
      const { countAgents } = await import('./agents/show.ts')
      await countAgents(io, options)
    },
  )
  ofOne(serverCommand(agent, 'show', 'an agent of the server, with its selectors')).action(
    async (options: OfOne) => {
      const { showAgent } = await import('./agents/show.ts')
      await showAgent(io, options)
    },
  )
  ofOne(serverCommand(agent, 'evict', 'forget an agent: it has to attest anew')).action(
    async (options: OfOne) => {
      const { evictAgent } = await import('./agents/change.ts')
      await evictAgent(io, options)
    },
  )
  ofOne(serverCommand(agent, 'ban', 'ban an agent: it is not served, and may not attest')).action(
    async (options: OfOne) => {
      const { banAgent } = await import('./agents/change.ts')
      await banAgent(io, options)
    },
  )
  serverCommand(agent, 'purge', 'forget agents that expired long ago and could attest anew')
    .option('--expired-for <duration>', 'how long ago', secondsOf, PURGE_AFTER_SECONDS)
    .option('--dry-run', 'only say which')
    .action(async (options: PurgeOptions) => {
      const { purgeAgents } = await import('./agents/change.ts')
      await purgeAgents(io, options)
    })
}

const ofOne = (command: Command): Command =>
  command.requiredOption('--spiffe-id <id>', 'the SPIFFE ID of the agent')

function filterFlags(command: Command): Command {
  return command
    .option('--selector <type:value>', 'only those with this selector', another)
    .addOption(matchOption('--match-selectors-on <way>', "an agent's selectors"))
    .option('--attestation-type <type>', 'only those that attested so, as join_token')
    .addOption(new Option('--can-reattest <either>', 'only those that can, or cannot, attest anew'))
    .addOption(new Option('--banned <either>', 'only those that are banned, or are not'))
    .option(
      '--expires-before <instant>',
      'only those that end before: "2006-01-02 15:04:05 -0700 -07", or 2006-01-02T15:04:05Z',
    )
}
