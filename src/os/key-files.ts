import type { Clock } from '../runtime/clock.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { readLimited, readWithMode } from './files.ts'
import { watchFile } from './watch.ts'

const MOST_BYTES = 4 * 2 ** 20
const MOST_PASSWORD_BYTES = 4096

export type CaFilePaths = (
  | { readonly certFile: string; readonly keyFile: string }
  | { readonly pkcs12File: string; readonly passwordFile: string }
) & { readonly bundleFile: string | undefined }

/** What the files hold; modes are permission bits, of the very file that was read: another may have taken its name. */
export type CaFileContents = (
  | { readonly certFile: string; readonly keyFile: string; readonly keyFileMode: number }
  | {
      readonly pkcs12File: Buffer
      /** Without the newline that editors put at the end. */
      readonly password: string
      readonly passwordFileMode: number
    }
) & { readonly bundleFile?: string }

export interface CaFiles {
  /** @throws SpindleError `config_invalid` naming the file that cannot be read */
  read(): CaFileContents
  watch(run: () => void): () => void
}

/** An operator's CA as files: read as one, and told of when any of them changes. */
export function openCaFiles(paths: CaFilePaths, clock: Clock): CaFiles {
  return {
    read() {
      const { bundleFile } = paths
      const bundle = bundleFile === undefined ? {} : { bundleFile: readText(bundleFile) }
      if ('pkcs12File' in paths) {
        const { pkcs12File } = paths
        return {
          pkcs12File: attempt(pkcs12File, () => readLimited(pkcs12File, MOST_BYTES)),
          ...readPassword(paths.passwordFile),
          ...bundle,
        }
      }
      const { certFile, keyFile } = paths
      const key = attempt(keyFile, () => readWithMode(keyFile, MOST_BYTES))
      return {
        certFile: readText(certFile),
        keyFile: key.content.toString('utf8'),
        keyFileMode: key.mode,
        ...bundle,
      }
    },
    watch(run) {
      const files =
        'pkcs12File' in paths
          ? [paths.pkcs12File, paths.passwordFile]
          : [paths.certFile, paths.keyFile]
      if (paths.bundleFile !== undefined) files.push(paths.bundleFile)
      const watches = files.map((path) =>
        watchFile(path, { clock, maxBytes: MOST_BYTES, encoding: 'latin1', changed: run }),
      )
      return () => {
        for (const watch of watches) watch.close()
      }
    },
  }
}

const readText = (path: string): string =>
  attempt(path, () => readLimited(path, MOST_BYTES).toString('utf8'))

function readPassword(path: string): { password: string; passwordFileMode: number } {
  const { content, mode } = attempt(path, () => readWithMode(path, MOST_PASSWORD_BYTES))
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content)
    return { password: text.replace(/\r?\n$/, ''), passwordFileMode: mode }
  } catch {
    throw new SpindleError('config_invalid', `${path} is not UTF-8`)
  }
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    throw new SpindleError('config_invalid', `${path} cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
}
