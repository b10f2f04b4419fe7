/** `spindle files`: certificates, keys, bundles and tokens as files, for programs that do not speak SPIFFE. */
import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { parseDuration } from '../config/scalars.ts'
import type { Io } from './io.ts'
import type { FilesArguments } from './run-files.ts'

export function addFilesCommand(program: Command, io: Io): void {
  program
    .command('files')
    .description(
      'keep certificate, key, bundle and JWT files up to date from a Workload API, and tell a program of changes',
    )
    .addOption(
      new Option('-c, --config <file>', 'which files, and what is done when they change').default(
        '/etc/spindle/files.yaml',
      ),
    )
    .option('--once', 'write everything once and end: for an init step')
    .addOption(
      new Option('--timeout <duration>', 'with --once: how long everything is waited for')
        .default(60_000, '60s')
        .argParser(durationOf),
    )
    .option('--after', 'with --once: do what `after` of the configuration says, if a file changed')
    .option('--check', 'say every fault of the configuration, and end')
    .action(async (options: FilesArguments) => {
      const { runFiles } = await import('./run-files.ts')
      await runFiles(io, options)
    })
}

function durationOf(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new InvalidArgumentError('Allowed: a number and a unit, as 60s, 5m.')
  return ms
}
