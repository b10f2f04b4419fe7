import { closeSync, constants, openSync, readlinkSync } from 'node:fs'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { ensureSafeFolder } from '../safe-folder.ts'

/** Who writes, for whom, and where that may be. */
export interface PlaceRules {
  /** Effective uid of the process. */
  readonly uid: number
  /** Whose the files are to be; undefined: as the process makes them. */
  readonly owner: { readonly uid: number | undefined; readonly gid: number | undefined }
  /** Whether folders may be others' (`sharedFolders`). */
  readonly shared: boolean
  /** A text unlike any other, of 16 hex digits: for names of what is not there yet. */
  readonly unique: () => string
}

/** A folder that stays the one that was looked at, whatever its path becomes. */
export interface OpenFolder {
  /** What names in it begin with, without a slash at the end. */
  readonly path: string
  readonly fd: number
  close(): void
}

/**
 * Opens a folder for writing into it, and makes what is missing of it (0755).
 * @throws SpindleError `file_unwritable`
 */
export function openFolder(folder: string, { uid, owner, shared }: PlaceRules): OpenFolder {
  const code = 'file_unwritable'
  const real = ensureSafeFolder(folder, {
    uid,
    lastUid: owner.uid,
    shared,
    code,
    folderMode: 0o755,
  })
  const opened = openWithin(real)
  // Another folder may have been put there meanwhile.
  if (readlinkSync(opened.path) === real) return opened
  opened.close()
  throw new SpindleError(code, `${folder} is changed by another process`)
}

/** Opens a folder by a path of which only the last name could be a link: that is not followed. */
export function openWithin(path: string): OpenFolder {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants
  let fd: number
  try {
    fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (thrown) {
    throw new SpindleError('file_unwritable', `${path} cannot be opened: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
  return { fd, path: `/proc/self/fd/${fd}`, close: () => closeSync(fd) }
}
