import { closeSync, constants, openSync, statSync } from 'node:fs'
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
  const held = holdFolder(libc, folder, { uid, key: 'stateDir' })
  // What an agent that was killed had half written may hold a key.
  removeTemporaries(folder)
  return held
}

/**
 * The same of a folder that holds something else of one process alone.
 * @param how.key of the config, for messages
 * @param how.beside a folder that is held already: where it is the same one, by whatever name, there is nothing more to hold
 */
export function holdFolder(
  libc: Libc,
  folder: string,
  how: { readonly uid: number; readonly key: string; readonly beside?: string },
): StateFolder {
  const { uid, key, beside } = how
  ensureSafeFolder(folder, { uid, folderMode: 0o700 })
  if (beside !== undefined && isSame(folder, beside)) return { close: () => undefined }
  const path = join(folder, '.lock')
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  let fd: number
  try {
    fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  } catch (thrown) {
    throw new SpindleError(
      'config_invalid',
      `${key}: ${path} cannot be opened: ${messageOf(thrown)}`,
    )
  }
  if (libc.lock(fd) !== 0) {
    closeSync(fd)
    throw new SpindleError(
      'config_invalid',
      `${key}: ${folder} is in use by another agent or server`,
    )
  }
  let isHeld = true
  return {
    close() {
      // A second time it would be the descriptor of something else.
      if (isHeld) closeSync(fd)
      isHeld = false
    },
  }
}

function isSame(folder: string, other: string): boolean {
  const [one, two] = [statSync(folder), statSync(other)]
  return one.dev === two.dev && one.ino === two.ino
}
