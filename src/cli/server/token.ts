/** `spindle token`: one-time tokens with which nodes join. */
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { secondsOf, serverCommand } from './options.ts'
import type { ServerOptions } from './options.ts'

const DEFAULT_TTL_SECONDS = 600

interface GenerateOptions extends ServerOptions {
  readonly spiffeId?: string
  readonly ttl: number
}

export function addTokenCommands(program: Command, io: Io): void {
  const token = program.command('token').description('one-time tokens with which nodes join')
  serverCommand(token, 'generate', 'make a token: the agent that has it joins, once')
    .option('--spiffe-id <id>', 'a SPIFFE ID that the node gets beside its own: an alias')
    .option('--ttl <seconds>', 'how long it may be used', secondsOf, DEFAULT_TTL_SECONDS)
    .action(async (options: GenerateOptions) => {
      const { generateToken } = await import('./agents/token.ts')
      await generateToken(io, options)
    })
}
