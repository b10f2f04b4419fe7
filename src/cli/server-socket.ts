/** Which server a command asks: what is named, else what the environment names, SPIRE's variables too, else the one of this host. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { SpindleError } from '../runtime/errors.ts'
import type { Io } from './io.ts'

const DEFAULT_SERVER_SOCKET = '/run/spindle-server/admin/server.sock'

const OWN = 'SPINDLE_SERVER_SOCKET'
/** What SPIRE's commands read. */
const SPIRES = 'SPIRE_SERVER_PRIVATE_SOCKET'
const TEMPLATE = 'SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE'

export function addServerSocket(command: Command): Command {
  return command
    .addOption(
      new Option('--server-socket <path>', "the server's admin socket")
        .default(DEFAULT_SERVER_SOCKET)
        .env(OWN),
    )
    .addOption(new Option('--instance <name>', `what stands for %i in ${TEMPLATE}`).hideHelp())
}

/**
 * Before a command runs. As with SPIRE's commands what is named goes before an instance, and that before the environment.
 * @throws SpindleError `usage`
 */
export function settleServerSocket(command: Command, env: Io['env']): void {
  const { serverSocket, instance } = command.opts<{ serverSocket?: string; instance?: string }>()
  if (serverSocket === undefined) return
  const isNamed = command.getOptionValueSource('serverSocket') === 'cli'
  if (isNamed && serverSocket === '') throw new SpindleError('usage', '--server-socket is empty')
  const path = isNamed
    ? serverSocket
    : instance !== undefined
      ? socketOfInstance(instance, TEMPLATE, env)
      : (given(env[OWN]) ?? given(env[SPIRES]) ?? DEFAULT_SERVER_SOCKET)
  // gRPC's way of writing it.
  command.setOptionValue('serverSocket', path.replace(/^unix:(?:\/\/(?=\/))?/, ''))
}

const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

/** @throws SpindleError `usage` */
export function socketOfInstance(instance: string, variable: string, env: Io['env']): string {
  const template = given(env[variable])
  if (template?.includes('%i') === true) return template.replaceAll('%i', instance)
  const why = template === undefined ? 'which is not set' : 'which has no %i'
  throw new SpindleError('usage', `--instance ${instance} is put into ${variable}, ${why}`)
}
