import { chmodSync, lstatSync, mkdirSync, readlinkSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { SpindleError, messageOf } from '../runtime/errors.ts'

export interface FolderRules {
  /** Beside root, the uid that may own what leads to the folder: the agent's own. */
  readonly uid: number
  /** Mode of the folder itself where it has to be made; those above it get 0755. */
  readonly folderMode: number
}

const MOST_LINKS = 40
const GROUP_OR_OTHERS_WRITE = 0o022
const STICKY = 0o1000

/**
 * Makes what is missing of an absolute, normalised folder and walks down to it as the kernel does. Whoever may write one
 * of the folders on the way could put a socket of its own in our socket's place.
 * @throws SpindleError `socket_unusable` naming the folder and what is wrong with it
 */
export function ensureSafeFolder(folder: string, rules: FolderRules): void {
  walk(folder, rules, (path, isLast) => {
    makeFolder(path, isLast ? rules.folderMode : 0o755)
    return true
  })
}

/**
 * The same without making anything.
 * @returns the first folder on the way that is not there; undefined: it is there, and safe
 * @throws SpindleError as `ensureSafeFolder` does
 */
export function findUnmade(folder: string, uid: number): string | undefined {
  let unmade: string | undefined
  walk(folder, { uid }, (path) => {
    unmade = path
    return false
  })
  return unmade
}

/** `missing` is asked at a folder that is not there: true, it is now; false, go no further. */
function walk(
  folder: string,
  rules: Pick<FolderRules, 'uid'>,
  missing: (path: string, isLast: boolean) => boolean,
): void {
  const pending = folder.split('/').filter(Boolean)
  let links = 0
  let at = '/'
  checkFolder(at, lstatSync(at), rules)
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      at = join(at, '..')
      continue
    }
    const next = join(at, name)
    let stat = lstatOrNothing(next)
    if (stat === undefined) {
      if (!missing(next, pending.length === 0)) return
      stat = lstatOrNothing(next)
      if (stat === undefined) throw unusable(next, 'is removed by another process')
    }
    if (stat.isSymbolicLink()) {
      if (pending.length === 0) {
        throw unusable(folder, 'is a symbolic link; name the folder it leads to')
      }
      links += 1
      if (links > MOST_LINKS) throw unusable(folder, 'leads through too many symbolic links')
      checkOwner(next, stat, rules)
      const target = readLink(next)
      if (target.startsWith('/')) at = '/'
      pending.unshift(...target.split('/'))
      continue
    }
    if (!stat.isDirectory()) throw unusable(next, 'is not a folder')
    checkFolder(next, stat, rules)
    at = next
  }
}

function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode })
    // mkdir takes the umask away from the mode.
    chmodSync(path, mode)
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException
    // Made by another in this moment: it is checked like any other.
    if (code === 'EEXIST') return
    throw new SpindleError(
      'socket_unusable',
      `${path} cannot be made: ${message}; make it, owned by the agent's user, or choose another path`,
      { cause: thrown },
    )
  }
}

function checkFolder(path: string, stat: Stats, rules: Pick<FolderRules, 'uid'>): void {
  checkOwner(path, stat, rules)
  // In a sticky folder only the owner of a name may move it away, and the owners are checked on the way down.
  if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0 && (stat.mode & STICKY) === 0) {
    const mode = (stat.mode & 0o7777).toString(8)
    throw unusable(
      path,
      `may be written by its group or by others (mode ${mode}); run chmod go-w on it`,
    )
  }
}

function checkOwner(path: string, stat: Stats, rules: Pick<FolderRules, 'uid'>): void {
  if (stat.uid === 0 || stat.uid === rules.uid) return
  throw unusable(path, `belongs to uid ${stat.uid}; it must belong to root or to uid ${rules.uid}`)
}

function lstatOrNothing(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (thrown) {
    throw new SpindleError('socket_unusable', messageOf(thrown), { cause: thrown })
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch (thrown) {
    throw new SpindleError('socket_unusable', messageOf(thrown), { cause: thrown })
  }
}

function unusable(path: string, why: string): SpindleError {
  return new SpindleError('socket_unusable', `${path} ${why}`)
}
