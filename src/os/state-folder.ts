import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { removeTemporaries } from './files.ts'
import type { Libc } from './libc.ts'
import { ensureSafeFolder } from './safe-folder.ts'

/** The agent's own folder, held for as long as the process lives: a second agent would rotate the first one's CA. */
export interface StateFolder {
  close(): void
}

/**
 * Makes the folder (0700) where it is missing and locks it. The lock is the kernel's: it ends with the process, however
 * that ends.
 * @throws SpindleError `socket_unusable` for a folder others may write, `config_invalid` where another agent holds it
 */
export function openStateFolder(libc: Libc, folder: string, uid: number): StateFolder {
  ensureSafeFolder(folder, { uid, folderMode: 0o700 })
  const path = join(folder, '.lock')
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  let fd: number
  try {
    fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  } catch (thrown) {
    throw new SpindleError(
      'config_invalid',
      `stateDir: ${path} cannot be opened: ${messageOf(thrown)}`,
    )
  }
  if (libc.lock(fd) !== 0) {
    closeSync(fd)
    throw new SpindleError(
      'config_invalid',
      `stateDir: ${folder} is in use by another agent or server`,
    )
  }
  // What an agent that was killed had half written may hold a key.
  removeTemporaries(folder)
  return { close: () => closeSync(fd) }
}
