import { constants, existsSync, renameSync } from 'node:fs'
import { messageOf } from '../runtime/errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { atomicWrite, readWithMode } from './files.ts'

/** A file of the agent's own state: only its owner reads it, and it is replaced as a whole. */
export interface OwnStateFile {
  /** undefined: there is none. @throws where there is one that cannot be read. */
  read(): string | undefined
  /** Durable once it resolves; mode 0600. */
  write(text: string): Promise<void>
  /** Moves it aside, to a name not used before, and returns that name. */
  quarantine(): string
}

const MOST_BYTES = 16 * 2 ** 20

export function openStateFile(
  path: string,
  clock: Clock,
  maxBytes: number = MOST_BYTES,
): OwnStateFile {
  return {
    read() {
      try {
        const { content } = readWithMode(path, maxBytes, constants.O_NOFOLLOW)
        return content.toString('utf8')
      } catch (thrown) {
        // Whatever else keeps it from being read says that there is one.
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw thrown
      }
    },
    write: (text) => atomicWrite(path, text, 0o600),
    quarantine() {
      const stamp = new Date(clock.now()).toISOString().replace(/[:.]/g, '-')
      for (let attempt = 0; ; attempt++) {
        const aside = `${path}.set-aside-${stamp}${attempt === 0 ? '' : `-${attempt}`}`
        if (existsSync(aside)) continue
        try {
          renameSync(path, aside)
          return aside
        } catch (thrown) {
          throw new Error(`${path} cannot be moved aside: ${messageOf(thrown)}`, { cause: thrown })
        }
      }
    },
  }
}
