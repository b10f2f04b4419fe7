/** `spindle healthcheck`, `debug getinfo` and `logger`: how a server is. */
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import type { HealthOptions } from './given.ts'
import { serverCommand } from './options.ts'
import type { ServerOptions } from './options.ts'

export function addHealthCommands(program: Command, io: Io): void {
  serverCommand(program, 'healthcheck', 'whether the server is healthy; exits with 3 if not')
    .option('--shallow', 'the same; a flag of SPIRE')
    .option('--verbose', 'say what is being done')
    .action(async (options: HealthOptions) => {
      const { checkHealth } = await import('./health/check.ts')
      await checkHealth(io, options)
    })
  const debug = program.command('debug').description('the server, from inside')
  serverCommand(debug, 'getinfo', 'its uptime, its certificates and what it holds').action(
    async (options: ServerOptions) => {
      const { getInfo } = await import('./health/info.ts')
      await getInfo(io, options)
    },
  )
  const logger = program.command('logger').description("the level of the server's log")
  serverCommand(logger, 'get', 'the level').action(async (options: ServerOptions) => {
    const { getLevel } = await import('./health/logger.ts')
    await getLevel(io, options)
  })
  serverCommand(logger, 'set', 'set the level until the server ends, or it is reset')
    .requiredOption('--level <level>', 'panic, fatal, error, warn, info, debug or trace')
    .action(async (options: ServerOptions & { readonly level: string }) => {
      const { setLevel } = await import('./health/logger.ts')
      await setLevel(io, options)
    })
  serverCommand(logger, 'reset', 'set the level back to that of the configuration').action(
    async (options: ServerOptions) => {
      const { resetLevel } = await import('./health/logger.ts')
      await resetLevel(io, options)
    },
  )
}
