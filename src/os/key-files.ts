import { statSync } from 'node:fs'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { readLimited } from './files.ts'
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
  const read = (path: string): string => {
    try {
      return readLimited(path, MOST_BYTES).toString('utf8')
    } catch (thrown) {
      throw new SpindleError('config_invalid', `${path} cannot be read: ${messageOf(thrown)}`, {
        cause: thrown,
      })
    }
  }
  return {
    read: () => ({
      certFile: read(paths.certFile),
      keyFile: read(paths.keyFile),
      keyFileMode: statSync(paths.keyFile).mode,
      ...(paths.bundleFile !== undefined && { bundleFile: read(paths.bundleFile) }),
    }),
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
