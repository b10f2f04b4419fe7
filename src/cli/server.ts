/** `spindle server`: the registry and CA of a fleet. */
import { Option } from 'commander'
import type { Command } from 'commander'
import type { Io } from './io.ts'
import { serverCommand } from './server/options.ts'
import type { ServerOptions } from './server/options.ts'

export const DEFAULT_SERVER_CONFIG = '/etc/spindle/server.yaml'

export function addServerCommand(program: Command, io: Io): void {
  const server = program
    .command('server')
    .description('run the server: one registry and one CA for a fleet of agents')
    .addOption(
      new Option('-c, --config <file>', 'the configuration of the server')
        .default(DEFAULT_SERVER_CONFIG)
        .env('SPINDLE_SERVER_CONFIG'),
    )
    .option('--check', 'say every fault of the configuration and of the files it names, and end')
    .action(async ({ config, check }: { readonly config: string; readonly check?: true }) => {
      const { checkServer, runServer } = await import('./run-server.ts')
      await (check === true ? checkServer(io, config) : runServer(io, config))
    })
  serverCommand(server, 'backup', 'copy the SQLite store of a running server to a file')
    .argument('<path>', 'where nothing is yet; only the server, and root, may read it')
    .action(async (path: string, options: ServerOptions) => {
      const { backUpStore } = await import('./server/health/backup.ts')
      await backUpStore(io, path, options)
    })
}
