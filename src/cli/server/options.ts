/** What every command to a server has. Nothing here is more than arguments: what asks is loaded when a command runs. */
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import type { Format } from '../io.ts'
import { formatOption } from '../options.ts'
import { addServerSocket } from '../server-socket.ts'

export interface ServerOptions {
  readonly serverSocket: string
  readonly output: Format
}

/** A command that asks the server by its admin socket. */
export function serverCommand(parent: Command, name: string, description: string): Command {
  return addServerSocket(parent.command(name).description(description)).addOption(formatOption())
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Seconds, rounded up, of a number of them or of a duration as ours or as Go's: `600`, `10m`, `1h30m`. */
export function secondsOf(text: string): number {
  const ms = /^\d{1,10}$/.test(text) ? Number(text) * 1000 : durationMs(text)
  if (ms !== undefined && ms < 2 ** 31 * 1000) return Math.ceil(ms / 1000)
  throw new InvalidArgumentError('Allowed: whole seconds, or numbers and units, as 10m or 1h30m.')
}

/** For an instant: seconds since 1970, of which there may be more. */
export function instantSecondsOf(text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Allowed: whole seconds since 1970.')
}

function durationMs(text: string): number | undefined {
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd]))+$/.test(text)) return undefined
  return Array.from(text.matchAll(/([\d.]+)(ms|[smhd])/g)).reduce(
    (sum, [, number, unit]) => sum + Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS],
    0,
  )
}

/** For an option that may be there more than once. */
export const another = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]

export const MATCHES = ['superset', 'exact', 'any', 'subset'] as const
export type Match = (typeof MATCHES)[number]

/** How the members of a set compare with those given: as the API has it. */
export const matchOption = (flags: string, of: string): Option =>
  new Option(flags, `how ${of} compare with those given`).choices([...MATCHES]).default('superset')
