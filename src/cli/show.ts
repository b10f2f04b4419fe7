/** `spindle status`, `reload`, `ca`, `bundle` and `svid`: the agent as a whole. */
import type { Command } from 'commander'
import type { GetStatusResponse, Source } from '#spindle/admin/v1/admin_pb.js'
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import type { AskOptions } from './ask.ts'
import { ask } from './ask.ts'
import type { Io } from './io.ts'
import { adminSocketOption, formatOption } from './options.ts'
import { fromNow, instant, record, table } from './output.ts'

/** A rotation waits for sidecars to take the new bundle. */
const ROTATE_DEADLINE_MS = 120_000

export function addShowCommands(program: Command, io: Io): void {
  const command = (parent: Command, name: string, description: string): Command =>
    parent
      .command(name)
      .description(description)
      .addOption(adminSocketOption())
      .addOption(formatOption())

  command(program, 'status', 'whether the agent is ready, what it serves and what is wrong').action(
    (options: AskOptions) =>
      ask(io, options, {
        method: AdminService.method.getStatus,
        request: {},
        table: statusTable,
        isNotReady: ({ ready }) => !ready,
      }),
  )
  command(program, 'reload', 'make the agent read its files again, as SIGHUP does').action(
    (options: AskOptions) =>
      ask(io, options, {
        method: AdminService.method.reload,
        request: {},
        table: (answer) => sourcesTable(answer.sources),
      }),
  )
  addAuthorityCommands(program.command('ca').description('the signing authority'), io, command)
  command(
    program.command('bundle').description('trust bundles'),
    'show',
    'the bundles the agent serves',
  ).action((options: AskOptions) =>
    ask(io, options, {
      method: AdminService.method.listBundles,
      request: {},
      table: (answer, now) =>
        table(
          ['TRUST DOMAIN', 'OWN', 'AUTHORITY', 'SUBJECT', 'EXPIRES', 'FAULT'],
          answer.bundles.flatMap((bundle) =>
            bundle.certificates.length === 0
              ? [[bundle.trustDomain, bundle.own, '', '', '', bundle.fault]]
              : bundle.certificates.map((certificate) => [
                  bundle.trustDomain,
                  bundle.own,
                  certificate.subjectKeyId,
                  certificate.subject,
                  fromNow(certificate.notAfter, now),
                  bundle.fault,
                ]),
          ),
        ),
    }),
  )
  command(program.command('svid').description('X.509-SVIDs'), 'renew', 'renew X.509-SVIDs now')
    .option('--spiffe-id <id>', 'only those of this SPIFFE ID', '')
    .action((options: AskOptions & { spiffeId: string }) =>
      ask(io, options, {
        method: AdminService.method.renewIdentities,
        request: { spiffeId: options.spiffeId },
        table: (answer) => record([['renewed', answer.renewed]]),
        deadlineMs: ROTATE_DEADLINE_MS,
      }),
    )
}

type AddCommand = (parent: Command, name: string, description: string) => Command

function addAuthorityCommands(ca: Command, io: Io, command: AddCommand): void {
  command(ca, 'show', 'the slots of the signing authority').action((options: AskOptions) =>
    ask(io, options, {
      method: AdminService.method.getAuthority,
      request: {},
      table: (answer, now) =>
        table(
          ['AUTHORITY', 'STATUS', 'SIGNS', 'EXPIRES', 'NOT AFTER'],
          answer.slots.map((slot) => [
            slot.authorityId,
            slot.status,
            slot.status === 'prepared'
              ? fromNow(slot.activatesAt, now)
              : slot.status === 'active'
                ? 'now'
                : 'no more',
            fromNow(slot.notAfter, now),
            instant(slot.notAfter),
          ]),
        ) + (answer.fault === '' ? '' : `\nfault: ${answer.fault}\n`),
    }),
  )
  command(
    ca,
    'rotate',
    'prepare a next authority, publish it, wait for sidecars to trust it, let it sign',
  ).action((options: AskOptions) =>
    ask(io, options, {
      method: AdminService.method.rotateAuthority,
      request: {},
      table: (answer) =>
        record([
          ['active authority', answer.activeAuthorityId],
          ['bundle acknowledged', `${answer.acknowledged} of ${answer.holding}`],
          ['identities renewed', answer.renewed],
        ]),
      deadlineMs: ROTATE_DEADLINE_MS,
    }),
  )
}

function statusTable(status: GetStatusResponse, now: number): string {
  const fields = record([
    ['ready', status.ready ? 'yes' : 'no'],
    ['version', status.version],
    ['trust domain', status.trustDomain],
    ['pid', status.pid],
    ['started', fromNow(status.startedAt, now)],
    ['socket', status.socket],
    ['http', status.httpAddress],
    ['peer credentials', status.peerCredentials],
    ['connections', status.connections],
    ['streams', status.streams],
    ['sidecars', status.sidecars],
    ['entries', status.entries],
    ['identities', status.identities],
  ])
  const problems = status.problems.map((problem) => `problem: ${problem}\n`).join('')
  return `${fields}\n${sourcesTable(status.sources)}${problems === '' ? '' : `\n${problems}`}`
}

function sourcesTable(sources: readonly Source[]): string {
  return table(
    ['SOURCE', 'FILE', 'LOADED', 'FAULT'],
    sources.map((source) => [source.name, source.file, instant(source.loadedAt), source.fault]),
  )
}
