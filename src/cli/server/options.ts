/** What every command to a server has. */
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { parseDuration } from '../../config/scalars.ts'
import { ask } from '../ask.ts'
import type { Format, Io } from '../io.ts'
import { formatOption } from '../options.ts'

export const DEFAULT_SERVER_SOCKET = '/run/spindle-server/admin/server.sock'

export interface ServerOptions {
  readonly serverSocket: string
  readonly output: Format
}

/** A command that asks the server by its admin socket. */
export function serverCommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .addOption(
      new Option('--server-socket <path>', "the server's admin socket")
        .default(DEFAULT_SERVER_SOCKET)
        .env('SPINDLE_SERVER_SOCKET'),
    )
    .addOption(formatOption())
}

export function askServer<I extends DescMessage, O extends DescMessage>(
  io: Io,
  { serverSocket, output }: ServerOptions,
  question: {
    readonly method: DescMethodUnary<I, O>
    readonly request: MessageInitShape<I>
    readonly table: (answer: MessageShape<O>, now: number) => string
  },
): Promise<void> {
  return ask(io, { adminSocket: serverSocket, output }, question)
}

/** Seconds as SPIRE's flags have them, or a duration: `600`, `10m`. */
export function secondsOf(text: string): number {
  const seconds = /^(0|[1-9]\d{0,8})$/.test(text) ? Number(text) : durationOf(text) / 1000
  if (Number.isInteger(seconds)) return seconds
  throw new InvalidArgumentError('Allowed: whole seconds, or a number and a unit, as 10m.')
}

function durationOf(text: string): number {
  return parseDuration(text) ?? Number.NaN
}

/** For an option that may be there more than once. */
export const another = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]
