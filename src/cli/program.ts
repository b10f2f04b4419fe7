/** The command line: what there is, and what an error becomes (message, what to do, exit code). */
import { Command, CommanderError } from 'commander'
import { ERRORS, SpindleError, messageOf } from '../runtime/errors.ts'
import { addAgentCommands } from './agent.ts'
import { addDoctorCommand } from './doctor.ts'
import { addEnvoyCommands } from './envoy.ts'
import { addFilesCommand } from './files.ts'
import type { Io } from './io.ts'
import { CommandFailed } from './io.ts'
import { addDemoCommand } from './demo.ts'
import { addSdsCommands } from './sds.ts'
import { addServerCommand } from './server.ts'
import { addAuthorityCommands } from './server/authority.ts'
import { addBundleCommands } from './server/bundle.ts'
import { addEntryCommands } from './server/entry.ts'
import { addHealthCommands } from './server/health.ts'
import { addMintCommands } from './server/mint.ts'
import { settleServerSocket } from './server-socket.ts'
import { withoutSpireFlags } from './server/spire-flags.ts'
import { addTokenCommands } from './server/token.ts'
import { addShowCommands } from './show.ts'
import { addSpireWords } from './spire-words.ts'
import { VERSION } from './version.ts'
import { addWorkloadCommands } from './workload.ts'

export function createProgram(io: Io): Command {
  const program = new Command('spindle')
    .description(
      'An Envoy SDS control plane: SPIFFE identities for every Envoy and every program on a host, over one Unix socket',
    )
    .version(VERSION)
    .showHelpAfterError('(run with --help to see what there is)')
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .exitOverride()
  addAgentCommands(program, io)
  addServerCommand(program, io)
  addTokenCommands(program, io)
  addEntryCommands(program, io)
  addBundleCommands(program, io)
  addMintCommands(program, io)
  addAuthorityCommands(program, io)
  addHealthCommands(program, io)
  addShowCommands(program, io)
  addSdsCommands(program, io)
  addWorkloadCommands(program, io)
  addEnvoyCommands(program, io)
  addFilesCommand(program, io)
  addDoctorCommand(program, io)
  addDemoCommand(program, io)
  addSpireWords(program)
  program.hook('preAction', (_, command) => settleServerSocket(command, io.env))
  inheritOutput(program)
  return program
}

/** Commander copies settings when a command is made, not when a parent's change. */
function inheritOutput(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command)
    inheritOutput(child)
  }
}

/** Resolves to the exit code: 0 ok, 1 failure, 2 usage, 3 not ready, 4 denied. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  try {
    await createProgram(io).parseAsync(withoutSpireFlags(args), { from: 'user' })
    return 0
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : ERRORS.usage.exit
    if (thrown instanceof CommandFailed) {
      if (thrown.message !== '') io.err(`${thrown.message}\n`)
      return thrown.exitCode
    }
    if (thrown instanceof SpindleError) {
      io.err(`spindle: ${thrown.message}\n${ERRORS[thrown.code].todo} (${thrown.code})\n`)
      return ERRORS[thrown.code].exit
    }
    io.err(`spindle: ${messageOf(thrown)}\n${ERRORS.internal.todo} (internal)\n`)
    return ERRORS.internal.exit
  }
}
