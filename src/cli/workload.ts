/** `spindle workload x509 | jwt | bundles | validate | watch`: a client of the SPIFFE Workload API, of any agent. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import type { AskOptions } from './ask.ts'
import { ask } from './ask.ts'
import type { Io } from './io.ts'
import { adminSocketOption, formatOption } from './options.ts'
import type { AskWorkload } from './workload/client.ts'
import { workloadsTable } from './workload/list.ts'

export function addWorkloadCommands(program: Command, io: Io): void {
  const workload = program
    .command('workload')
    .description("ask a Workload API as this process: Spindle's, SPIRE's or another agent's")
  const command = (
    name: string,
    description: string,
    timeout = 'how long to wait for an answer',
  ): Command =>
    workload
      .command(name)
      .description(description)
      .option(
        '--socket <endpoint>',
        'unix:///path, tcp://IP:port or a plain path ' +
          '(default: SPIFFE_ENDPOINT_SOCKET, else the socket of an agent on this host)',
      )
      .addOption(new Option('--instance <name>', 'as SPIRE has it').hideHelp())
      .option('--timeout <duration>', timeout, '10s')
      .addOption(formatOption())
  const write = (): Option =>
    new Option(
      '--write <folder>',
      'write svid.0.pem, svid.0.key (mode 0600), bundle.0.pem, federated_bundle.0.0.pem and so on',
    )
  command('x509', 'the X.509-SVIDs this process gets, the default one first; keys are never shown')
    .addOption(write())
    .option('--silent', 'print nothing')
    .action(async (options: AskWorkload & { write?: string; silent?: true }) => {
      const { showX509 } = await import('./workload/x509.ts')
      await showX509(io, options)
    })
  command('jwt', 'a JWT-SVID for an audience, of each identity of this process')
    .requiredOption('--audience <names...>', 'who is to accept it')
    .option('--spiffe-id <id>', 'only that of this identity')
    .option('--raw', 'print the first token and nothing else', false)
    .action(
      async (options: AskWorkload & { audience: string[]; spiffeId?: string; raw: boolean }) => {
        const { showJwt } = await import('./workload/jwt.ts')
        await showJwt(io, options)
      },
    )
  command('bundles', 'the trust bundles this process gets, for X.509-SVIDs and for JWT-SVIDs')
    .option(
      '--write <folder>',
      'write bundle.TRUST_DOMAIN.pem and bundle.TRUST_DOMAIN.jwks.json of each trust domain',
    )
    .action(async (options: AskWorkload & { write?: string }) => {
      const { showBundles } = await import('./workload/bundles.ts')
      await showBundles(io, options)
    })
  command('validate', 'ask whether a JWT-SVID is valid for an audience, and whose it is')
    .requiredOption('--audience <name>', 'who it was handed to')
    .option('--svid <token>', 'the JWT-SVID (default: read from standard input)')
    .action(async (options: AskWorkload & { audience: string; svid?: string }) => {
      const { showValidated } = await import('./workload/jwt.ts')
      await showValidated(io, options)
    })
  workload
    .command('list')
    .description(
      "who uses the Workload API of Spindle's agent: processes, methods, and what they were told",
    )
    .addOption(adminSocketOption())
    .addOption(formatOption())
    .action((options: AskOptions) =>
      ask(io, options, {
        method: AdminService.method.listWorkloads,
        request: {},
        table: (answer, now) => workloadsTable(answer.workloads, now),
      }),
    )
  command(
    'watch',
    'a line for each change of the X.509-SVIDs and bundles, until Ctrl-C',
    'how long to wait for the first answer before it is asked again',
  )
    .addOption(write())
    .action(async (options: AskWorkload & { write?: string }) => {
      const { watchX509 } = await import('./workload/watch.ts')
      await watchX509(io, options)
    })
}
