/** `spindle localauthority`, `upstreamauthority` and `authority rotate`: what a server signs with, replaced by hand. */
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import type { AuthorityKind, Step, RotateOptions } from './given.ts'
import { secondsOf, serverCommand } from './options.ts'
import type { ServerOptions } from './options.ts'

const DONE_BY_STEP: Readonly<Record<Step, string>> = {
  prepare: 'make a next one and put it into the bundle',
  activate: 'let the prepared one sign',
  taint: 'say of the old one that it must not be relied on: what it signed is replaced',
  revoke: 'take the old one out of the bundle',
}

export function addAuthorityCommands(program: Command, io: Io): void {
  const local = program
    .command('localauthority')
    .description('the authorities of this server, step by step')
  addLocal(local.command('x509').description('what signs X.509-SVIDs'), io, 'x509')
  addLocal(local.command('jwt').description('what signs JWT-SVIDs'), io, 'jwt')
  addUpstream(program, io)
  const authority = program.command('authority').description('the authorities of a server')
  serverCommand(
    authority,
    'rotate',
    'replace what signs in four steps, each when no agent is harmed by it',
  )
    .option('--jwt', 'instead: the key that signs JWT-SVIDs')
    .option('--force', 'wait for nobody: an agent that lacks the new bundle is left behind')
    .option('--allow-away', 'do not wait for agents that are not connected to any server')
    .option('--wait <duration>', 'how long a step waits before the command ends', secondsOf, 600)
    .action(async (options: RotateOptions) => {
      const { rotateAuthority } = await import('./authority/rotate.ts')
      await rotateAuthority(io, options)
    })
}

function addLocal(parent: Command, io: Io, kind: AuthorityKind): void {
  serverCommand(parent, 'show', 'the active, the prepared and the old one').action(
    async (options: ServerOptions) => {
      const { showAuthorities } = await import('./authority/local.ts')
      await showAuthorities(io, kind, options)
    },
  )
  for (const [step, description] of Object.entries(DONE_BY_STEP) as [Step, string][]) {
    const command = serverCommand(parent, step, description)
    if (step !== 'prepare') command.requiredOption('--authority-id <id>', 'which')
    command.action(async (options: ServerOptions & { readonly authorityId?: string }) => {
      const { takeStep } = await import('./authority/local.ts')
      await takeStep(io, { kind, step }, options)
    })
  }
}

function addUpstream(program: Command, io: Io): void {
  const upstream = program
    .command('upstreamauthority')
    .description('the CA above this server, where its certificate comes from')
  for (const step of ['taint', 'revoke'] as const)
    serverCommand(upstream, step, DONE_BY_STEP[step])
      .requiredOption('--subject-key-id <id>', 'of its certificate')
      .action(async (options: ServerOptions & { readonly subjectKeyId: string }) => {
        const { takeUpstreamStep } = await import('./authority/local.ts')
        await takeUpstreamStep(io, step, options)
      })
}
