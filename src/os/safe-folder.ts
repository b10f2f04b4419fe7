import { chmodSync, lstatSync, mkdirSync, readlinkSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import type { ErrorCode } from '../runtime/errors.ts'

interface WalkRules {
  /** Beside root, the uid that may own what leads to the folder: the process's own. */
  readonly uid: number
  /** The folder itself may also belong to this one. */
  readonly lastUid?: number | undefined
  /** Folders on the way, and the folder itself, may be others'; links still may not. */
  readonly shared?: boolean | undefined
  /** Of the errors; `socket_unusable` if not said. */
  readonly code?: ErrorCode
}

export interface FolderRules extends WalkRules {
  /** Mode of the folder itself where it has to be made; those above it get 0755. */
  readonly folderMode: number
}

const MOST_LINKS = 40
const GROUP_OR_OTHERS_WRITE = 0o022
const STICKY = 0o1000

/**
 * Makes what is missing of an absolute, normalised folder and walks down to it as the kernel does. Whoever may write one
 * of the folders on the way could put a socket, or a file, of its own in the place of ours.
 * @returns the folder without the links that led to it
 * @throws SpindleError naming the folder and what is wrong with it
 */
export function ensureSafeFolder(folder: string, rules: FolderRules): string {
  return walk(folder, rules, (path, isLast) => {
    makeFolder(path, isLast ? rules.folderMode : 0o755, rules)
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
  rules: WalkRules,
  missing: (path: string, isLast: boolean) => boolean,
): string {
  const pending = folder.split('/').filter(Boolean)
  let links = 0
  let at = '/'
  checkFolder(at, lstatSync(at), { ...rules, lastUid: undefined })
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      at = join(at, '..')
      continue
    }
    const next = join(at, name)
    let stat = lstatOrNothing(next, rules)
    if (stat === undefined) {
      if (!missing(next, pending.length === 0)) return at
      stat = lstatOrNothing(next, rules)
      if (stat === undefined) throw unusable(rules, next, 'is removed by another process')
    }
    if (stat.isSymbolicLink()) {
      if (pending.length === 0) {
        throw unusable(rules, folder, 'is a symbolic link; name the folder it leads to')
      }
      links += 1
      if (links > MOST_LINKS) throw unusable(rules, folder, 'leads through too many symbolic links')
      checkOwner(next, stat, { ...rules, lastUid: undefined })
      const target = readLink(next, rules)
      if (target.startsWith('/')) at = '/'
      pending.unshift(...target.split('/'))
      continue
    }
    if (!stat.isDirectory()) throw unusable(rules, next, 'is not a folder')
    const isLast = pending.length === 0
    checkFolder(next, stat, { ...rules, lastUid: isLast ? rules.lastUid : undefined })
    at = next
  }
  return at
}

function makeFolder(path: string, mode: number, rules: WalkRules): void {
  try {
    mkdirSync(path, { mode })
    // mkdir takes the umask away from the mode.
    chmodSync(path, mode)
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException
    // Made by another in this moment: it is checked like any other.
    if (code === 'EEXIST') return
    const who = rules.code === undefined ? "the agent's user" : 'the user of this process'
    throw new SpindleError(
      rules.code ?? 'socket_unusable',
      `${path} cannot be made: ${message}; make it, owned by ${who}, or choose another path`,
      { cause: thrown },
    )
  }
}

function checkFolder(path: string, stat: Stats, rules: WalkRules): void {
  if (rules.shared === true) return
  checkOwner(path, stat, rules)
  // In a sticky folder only the owner of a name may move it away, and the owners are checked on the way down.
  if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0 && (stat.mode & STICKY) === 0) {
    const mode = (stat.mode & 0o7777).toString(8)
    throw unusable(
      rules,
      path,
      `may be written by its group or by others (mode ${mode}); run chmod go-w on it`,
    )
  }
}

function checkOwner(path: string, stat: Stats, rules: WalkRules): void {
  const allowed = [rules.uid, rules.lastUid].filter((uid) => uid !== undefined && uid !== 0)
  if (stat.uid === 0 || allowed.includes(stat.uid)) return
  const others = Array.from(new Set(allowed), (uid) => ` or to uid ${uid}`).join('')
  throw unusable(rules, path, `belongs to uid ${stat.uid}; it must belong to root${others}`)
}

function lstatOrNothing(path: string, rules: WalkRules): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (thrown) {
    throw new SpindleError(rules.code ?? 'socket_unusable', messageOf(thrown), { cause: thrown })
  }
}

function readLink(path: string, rules: WalkRules): string {
  try {
    return readlinkSync(path)
  } catch (thrown) {
    throw new SpindleError(rules.code ?? 'socket_unusable', messageOf(thrown), { cause: thrown })
  }
}

function unusable(rules: WalkRules, path: string, why: string): SpindleError {
  return new SpindleError(rules.code ?? 'socket_unusable', `${path} ${why}`)
}
