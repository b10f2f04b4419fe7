/** `spindle sds list | explain | fetch`: what sidecars hold, and why. */
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import type { AskOptions } from './ask.ts'
import { ask } from './ask.ts'
import type { Format, Io } from './io.ts'
import { CommandFailed } from './io.ts'
import { adminSocketOption, agentSocketOption, formatOption } from './options.ts'
import { SpindleError } from '../runtime/errors.ts'
import { explanation } from './sds/explain/explanation.ts'
import { sidecarsTable } from './sds/list.ts'

export function addSdsCommands(program: Command, io: Io): void {
  const sds = program.command('sds').description('secrets and the sidecars that hold them')
  sds
    .command('list')
    .description('every sidecar, what it holds, what it acknowledged and when that expires')
    .option('--watch', 'go on: redraw it on a terminal, else print it anew at each change', false)
    .addOption(adminSocketOption())
    .addOption(formatOption())
    .action(async (options: AskOptions & { watch: boolean }) => {
      if (options.watch) {
        const { watchSidecars } = await import('./sds/watch.ts')
        return watchSidecars(io, options)
      }
      return ask(io, options, {
        method: AdminService.method.listSidecars,
        request: {},
        table: (answer, now) => sidecarsTable(answer.sidecars, now),
      })
    })
  sds
    .command('explain')
    .description('why a process has, or lacks, a secret')
    .requiredOption('--pid <pid>', 'the process', wholeNumber)
    .option('--name <name>', 'the resource name it asks for', '')
    .addOption(adminSocketOption())
    .addOption(formatOption())
    .action((options: AskOptions & { pid: number; name: string }) =>
      ask(io, options, {
        method: AdminService.method.explain,
        request: { pid: options.pid, name: options.name },
        table: (answer, now) => explanation({ answer, name: options.name, now }),
      }).catch(noSuchProcess),
    )
  sds
    .command('fetch')
    .description(
      'ask for secrets as an Envoy run by this user would; private keys are hidden unless written',
    )
    .argument('[names...]', 'resource names; none means all this process may have')
    .option('--write <folder>', 'write certificates, keys (mode 0600) and bundles into a folder')
    .addOption(agentSocketOption())
    .addOption(formatOption())
    .action(
      async (names: string[], options: { write?: string; socket: string; output: Format }) => {
        const { fetchSecrets } = await import('./fetch.ts')
        await fetchSecrets(io, names, options)
      },
    )
}

/** What to do about a pid is another thing than about a secret's name. */
function noSuchProcess(thrown: unknown): never {
  if (!(thrown instanceof SpindleError) || thrown.code !== 'not_found') throw thrown
  throw new CommandFailed(
    1,
    `spindle: ${thrown.message}, as the agent numbers them\n` +
      'Look its pid up: `spindle sds list` has those that hold secrets, `pgrep envoy` every Envoy. (not_found)',
  )
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value <= 0)
    throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}
