import type { Clock } from '../runtime/clock.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { readWithMode } from './files.ts'
import type { FileContent } from './files.ts'
import { watchFile } from './watch.ts'

const MOST_BYTES = 4 * 2 ** 20

export interface CaFilePaths {
  readonly certFile: string
  readonly keyFile: string
  readonly bundleFile: string | undefined
}

export interface CaFiles {
  read(): { certFile: string; keyFile: string; keyFileMode: number; bundleFile?: string }
  watch(run: () => void): () => void
}

/** An operator's CA as files: read as one, and told of when any of them changes. */
export function openCaFiles(paths: CaFilePaths, clock: Clock): CaFiles {
  const open = (path: string): FileContent => {
    try {
      return readWithMode(path, MOST_BYTES)
    } catch (thrown) {
      throw new SpindleError('config_invalid', `${path} cannot be read: ${messageOf(thrown)}`, {
        cause: thrown,
      })
    }
  }
  const read = (path: string): string => open(path).content.toString('utf8')
  return {
    read() {
      const key = open(paths.keyFile)
      return {
        certFile: read(paths.certFile),
        keyFile: key.content.toString('utf8'),
        // Of the file that was read: another may have taken its name since.
        keyFileMode: key.mode,
        ...(paths.bundleFile !== undefined && { bundleFile: read(paths.bundleFile) }),
      }
    },
    watch(run) {
      const files = [paths.certFile, paths.keyFile, paths.bundleFile].filter(
        (path) => path !== undefined,
      )
      const watches = files.map((path) =>
        watchFile(path, { clock, maxBytes: MOST_BYTES, changed: run }),
      )
      return () => {
        for (const watch of watches) watch.close()
      }
    },
  }
}
