/** `spindle status`, `reload`, `ca`, `bundle` and `svid`: the agent as a whole. */
import type { Command } from 'commander'
import type { GetStatusResponse, Source, TrustBundle } from '#spindle/admin/v1/admin_pb.js'
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import type { AskOptions } from './ask.ts'
import { ask } from './ask.ts'
import { addAuthorityCommands, ROTATE_DEADLINE_MS } from './ca.ts'
import type { Io } from './io.ts'
import { adminSocketOption, formatOption } from './options.ts'
import type { Cell } from './output.ts'
import { fromNow, instant, record, table } from './output.ts'

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
  const ca = program.command('ca').description("the agent's signing authority, and its bundles")
  addAuthorityCommands(ca, io, command)
  command(ca, 'bundles', 'the trust bundles the agent serves').action((options: AskOptions) =>
    ask(io, options, {
      method: AdminService.method.listBundles,
      request: {},
      table: (answer, now) =>
        table(
          ['TRUST DOMAIN', 'OWN', 'AUTHORITY', 'SUBJECT', 'EXPIRES', 'FAULT'],
          answer.bundles.flatMap((bundle) =>
            authoritiesOf(bundle, now).map((authority) => [
              bundle.trustDomain,
              bundle.own,
              ...authority,
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

/** Certificates, then keys for JWT-SVIDs: id, subject and end of each; one empty one where there is none. */
function authoritiesOf(
  { certificates, jwtKeyIds }: TrustBundle,
  now: number,
): readonly (readonly Cell[])[] {
  const all = [
    ...certificates.map(({ subjectKeyId, subject, notAfter }) => [
      subjectKeyId,
      subject,
      fromNow(notAfter, now),
    ]),
    ...jwtKeyIds.map((id) => [id, 'JWT key', '']),
  ]
  return all.length === 0 ? [['', '', '']] : all
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
    ['workload streams', status.workloadStreams],
    ['entries', status.entries],
    ['identities', status.identities],
    ...serverFields(status, now),
  ])
  const problems = status.problems.map((problem) => `problem: ${problem}\n`).join('')
  const sources = status.server === undefined ? `\n${sourcesTable(status.sources)}` : ''
  return `${fields}${sources}${problems === '' ? '' : `\n${problems}`}`
}

function serverFields(
  { server }: GetStatusResponse,
  now: number,
): readonly (readonly [string, string | undefined])[] {
  if (server === undefined) return []
  return [
    ['server', server.address],
    ['server connected', server.fault === '' ? `yes, by ${server.protocol}` : 'no'],
    ['server heard', fromNow(server.heardAt, now)],
    ['agent ID', server.agentId],
    ['agent SVID expires', fromNow(server.svidExpiresAt, now)],
    ['bootstrap', server.bootstrap],
    ['cache', server.cache],
  ]
}

function sourcesTable(sources: readonly Source[]): string {
  return table(
    ['SOURCE', 'FILE', 'LOADED', 'FAULT'],
    sources.map((source) => [source.name, source.file, instant(source.loadedAt), source.fault]),
  )
}
