import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import type { OpenFolder, PlaceRules } from './open-folder.ts'

/** A file as it is to be. */
export interface PlacedFile {
  /** Within its folder. */
  readonly name: string
  readonly content: string
  /** Permission bits, whatever the umask. */
  readonly mode: number
}

/**
 * Writes a new file that has its owner and mode before it has its content, and is on disk when this returns.
 * @throws SpindleError `file_unwritable`; nothing is left then
 */
export function writeNew(path: string, { content, mode }: PlacedFile, rules: PlaceRules): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    give(fd, rules.owner)
    fchmodSync(fd, mode)
    writeFileSync(fd, content)
    fsyncSync(fd)
  } catch (thrown) {
    rmSync(path, { force: true })
    throw thrown
  } finally {
    closeSync(fd)
  }
}

function give(fd: number, owner: PlaceRules['owner']): void {
  if (fits(fstatSync(fd), owner)) return
  const { uid, gid } = owner
  try {
    // -1 leaves it as it is (chown(2)).
    fchownSync(fd, uid ?? -1, gid ?? -1)
  } catch (thrown) {
    const whom = [uid === undefined ? '' : `uid ${uid}`, gid === undefined ? '' : `gid ${gid}`]
    const text = whom.filter((one) => one !== '').join(' and ')
    throw new SpindleError(
      'file_unwritable',
      `a file cannot be given to ${text}: ${messageOf(thrown)}; run as root, or leave owner and group out`,
      { cause: thrown },
    )
  }
}

const fits = (
  stat: { readonly uid: number; readonly gid: number },
  { uid, gid }: PlaceRules['owner'],
): boolean => (uid === undefined || stat.uid === uid) && (gid === undefined || stat.gid === gid)

/** Whether `path` is a regular file with this very content, mode and owner. A link to such a file is not. */
export function isAsWanted(path: string, wanted: PlacedFile, owner: PlaceRules['owner']): boolean {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    // Missing, or closed to us: it is written anew.
    return false
  }
  try {
    const stat = fstatSync(fd)
    return (
      stat.isFile() &&
      stat.size === Buffer.byteLength(wanted.content) &&
      (stat.mode & 0o7777) === wanted.mode &&
      fits(stat, owner) &&
      readFileSync(fd, 'utf8') === wanted.content
    )
  } finally {
    closeSync(fd)
  }
}

/** @throws SpindleError `file_unwritable` where a folder stands in the place of a file */
export function refuseFolder(path: string, shown: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    throw new SpindleError('file_unwritable', `${shown} is a folder`)
}

export const temporaryName = (name: string, { unique }: PlaceRules): string =>
  `.${name}.${unique()}.tmp`

/** Removes what was half written to `name` when the process was killed; it may hold a key. */
export function removeLeftOvers(folder: OpenFolder, name: string): void {
  for (const entry of readdirSync(folder.path)) {
    const middle = entry.slice(name.length + 2, -4)
    if (entry === `.${name}.${middle}.tmp` && /^[0-9a-f]{16}$/.test(middle))
      rmSync(`${folder.path}/${entry}`, { force: true })
  }
}
