import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Clock } from '../../runtime/clock.ts'
import { readLimited } from '../files.ts'

/** What SQLite keeps beside a database while it is open, and after a crash. */
const COMPANIONS = ['-wal', '-shm', '-journal'] as const
const ASIDE = '.set-aside-'
const MOST_LOG_BYTES = 2 ** 30
/** SQLite's own size of a page, unless it is told another. */
const PAGE_BYTES = 4096

/** Whether there is a database, and what of it was left without it or set aside. */
export interface DatabaseFiles {
  readonly there: boolean
  /** It is there and has not one whole page: it was cut off. */
  readonly isCutOff: boolean
  /** Paths. */
  readonly leftOver: readonly string[]
  readonly setAside: readonly string[]
}

export function databaseFiles(path: string): DatabaseFiles {
  const folder = dirname(path)
  const there = existsSync(path)
  return {
    there,
    isCutOff: there && statSync(path).size < PAGE_BYTES,
    leftOver: there ? [] : COMPANIONS.map((end) => path + end).filter(existsSync),
    setAside: readdirSync(folder)
      .filter((name) => name.startsWith(basename(path) + ASIDE))
      .sort()
      .map((name) => join(folder, name)),
  }
}

/** The log of changes that are not in the file yet; undefined: there is none. @throws the error of the file system */
export function readDatabaseLog(path: string): Buffer | undefined {
  const log = `${path}-wal`
  return existsSync(log) ? readLimited(log, MOST_LOG_BYTES) : undefined
}

/** Moves a database and what belongs to it to names not used before, and returns the database's. */
export function setDatabaseAside(path: string, clock: Clock): string {
  const stamp = new Date(clock.now()).toISOString().replace(/[:.]/g, '-')
  for (let attempt = 0; ; attempt++) {
    const aside = `${path}${ASIDE}${stamp}${attempt === 0 ? '' : `-${attempt}`}`
    if (['', ...COMPANIONS].some((end) => existsSync(aside + end))) continue
    for (const end of ['', ...COMPANIONS])
      if (existsSync(path + end)) renameSync(path + end, aside + end)
    return aside
  }
}

/** Makes an empty file that only its owner reads, in the place of one that was left there. */
export function makeDatabaseFile(path: string): void {
  removeDatabase(path)
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  closeSync(openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600))
}

export function removeDatabase(path: string): void {
  for (const end of ['', ...COMPANIONS]) rmSync(path + end, { force: true })
}

/**
 * Gives a finished database its name; durable once it returns.
 * @throws the error of the file system, EEXIST where the name is taken
 */
export function placeDatabase(made: string, path: string): void {
  chmodSync(made, 0o600)
  syncPath(made)
  // Unlike a rename, a link never replaces anything.
  linkSync(made, path)
  rmSync(made)
  syncPath(dirname(path))
}

function syncPath(path: string): void {
  const fd = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
