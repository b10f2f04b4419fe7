/** `spindle agent` and `spindle validate`: the commands that read a configuration. */
import type { Command } from 'commander'
import type { Io } from './io.ts'
import { configOption } from './options.ts'
import { addAgentsCommands } from './server/agents.ts'

export function addAgentCommands(program: Command, io: Io): void {
  const agent = program
    .command('agent')
    .description('run the agent: serve every Envoy and every program on this host its identity')
    .addOption(configOption())
    .action(async ({ config }: { config: string }) => {
      const { runAgent } = await import('./run-agent.ts')
      await runAgent(io, config)
    })
  addAgentsCommands(agent, io)
  program
    .command('validate')
    .description(
      'check a configuration, of an agent or of a server, and the files it names, and say every fault at once',
    )
    .addOption(configOption())
    .option('--server', 'it is that of a server, whatever it looks like')
    .action(async ({ config, server }: { config: string; server?: true }) => {
      const { validate } = await import('./validate.ts')
      await validate(io, config, { server: server ?? false })
    })
}
