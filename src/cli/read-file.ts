/** Files a configuration names, read to be judged, and those that are named with a command. */
import { readLimited, readToEnd } from '../os/files.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import type { Io } from './io.ts'

const MOST_BYTES = 64 * 2 ** 20

/** Takes the warnings of a check, or the fault that it throws; `name` is `entries`, `bundle partner.test`, `authority`. */
export type Attempt = (
  name: string,
  check: () => readonly string[] | Promise<readonly string[]>,
) => Promise<void>

/** @throws SpindleError `config_invalid` naming the file */
export function readFile(path: string): string {
  try {
    return readLimited(path, MOST_BYTES).toString('utf8')
  } catch (thrown) {
    throw unreadable(path, thrown)
  }
}

/** What SPIRE's own configurations begin with, in HCL. */
const SPIRES = /^(?:\s|#.*\n|\/\/.*\n)*(?:server|agent|plugins)\s*\{/

/** A configuration of an agent or a server. @throws SpindleError `config_invalid` naming the file */
export function readConfigFile(path: string): string {
  const text = readFile(path)
  if (!SPIRES.test(text)) return text
  throw new SpindleError(
    'config_invalid',
    `${path} is a configuration of SPIRE, and what is read here is YAML with other keys: docs/moving-from-spire.md says which are which`,
  )
}

export interface Given {
  readonly text: string
  /** For people: the path, or `standard input`. */
  readonly place: string
}

/**
 * A file that is named with a command, which may be a pipe too; `-`, or undefined, is standard input.
 * @throws SpindleError `config_invalid`; `usage` where standard input is a terminal
 */
export async function readGiven(io: Pick<Io, 'input'>, path = '-'): Promise<Given> {
  if (path !== '-' && path !== '/dev/stdin') {
    try {
      return { text: (await readToEnd(path, MOST_BYTES)).toString('utf8'), place: path }
    } catch (thrown) {
      throw unreadable(path, thrown)
    }
  }
  const text = await io.input?.()
  if (text === undefined) throw new SpindleError('usage', 'standard input is a terminal')
  return { text, place: 'standard input' }
}

function unreadable(path: string, cause: unknown): SpindleError {
  if (cause instanceof SpindleError) return cause
  return new SpindleError('config_invalid', `${path} cannot be read: ${messageOf(cause)}`, {
    cause,
  })
}
