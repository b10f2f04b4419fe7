/** `spindle token`: one-time tokens with which nodes join. */
import type { Command } from 'commander'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts'
import type { Io } from '../io.ts'
import { askServer, secondsOf, serverCommand } from './options.ts'
import type { ServerOptions } from './options.ts'
import { spiffeIdMessage } from '../../wire/spire/spiffe-id.ts'

const DEFAULT_TTL_SECONDS = 600

export function addTokenCommands(program: Command, io: Io): void {
  const token = program.command('token').description('one-time tokens with which nodes join')
  serverCommand(token, 'generate', 'make a token: the agent that has it joins, once')
    .option('--spiffe-id <id>', 'a SPIFFE ID that the node gets beside its own: an alias')
    .option('--ttl <seconds>', 'how long it may be used', secondsOf, DEFAULT_TTL_SECONDS)
    .action((options: ServerOptions & { readonly spiffeId?: string; readonly ttl: number }) =>
      askServer(io, options, {
        method: Agent.method.createJoinToken,
        request: {
          ttl: options.ttl,
          ...(options.spiffeId !== undefined && {
            agentId: spiffeIdMessage(parseSpiffeId(options.spiffeId)),
          }),
        },
        table: ({ value }) => `Token: ${value}\n`,
      }),
    )
}
