/** Files a configuration names, read to be judged. */
import { readLimited } from '../os/files.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'

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
    if (thrown instanceof SpindleError) throw thrown
    throw new SpindleError('config_invalid', `${path} cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
}
