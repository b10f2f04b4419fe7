/** `spindle sds list | explain | fetch`: what sidecars hold, and why. */
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import type { ExplainResponse } from '#spindle/admin/v1/admin_pb.js'
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import type { AskOptions } from './ask.ts'
import { ask } from './ask.ts'
import type { Format, Io } from './io.ts'
import { adminSocketOption, agentSocketOption, formatOption } from './options.ts'
import { fromNow, record, table } from './output.ts'
import { sidecarsTable, stateOf } from './sds/list.ts'

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
        table: (answer, now) => explanation(answer, options.name, now),
      }),
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

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value <= 0)
    throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}

function explanation(answer: ExplainResponse, name: string, now: number): string {
  const parts = [
    record([
      ['pid', answer.pid],
      ['uid', answer.uid],
      ['gid', answer.gid],
      ['executable', answer.executable],
      ['selectors', answer.selectors.join(' ')],
      ...(answer.unknownKinds.length > 0
        ? [['not known yet', answer.unknownKinds.join(' ')] as const]
        : []),
      ...answer.notes.map((note) => ['note', note] as const),
    ]),
  ]
  if (name !== '')
    parts.push(
      `${name} is ${answer.nameState}${answer.nameWhy === '' ? '' : `: ${answer.nameWhy}`}\n`,
    )
  if (answer.entries.length === 0) parts.push('no entry matches\n')
  else
    parts.push(
      table(
        ['ENTRY', 'DEFAULT', 'HINT', 'NAMES', 'EXPIRES', 'FAULT'],
        answer.entries.map((entry) => [
          entry.spiffeId,
          entry.default ? 'yes' : '',
          entry.hint,
          entry.names.join(' '),
          fromNow(entry.expiresAt, now),
          entry.fault,
        ]),
      ),
    )
  if (answer.near.length > 0)
    parts.push(
      table(
        ['ENTRY NOT MATCHED', 'MISSING'],
        answer.near.map((near) => [near.spiffeId, near.missingSelectors.join(' ')]),
      ),
    )
  if (answer.secrets.length > 0)
    parts.push(
      table(
        ['STREAM', 'NAME', 'STATE', 'VERSION', 'EXPIRES', 'WHY'],
        answer.secrets.map((held) => [
          held.variant,
          held.name,
          stateOf(held),
          held.version.slice(0, 12),
          fromNow(held.expiresAt, now),
          held.why,
        ]),
      ),
    )
  return parts.join('\n')
}
