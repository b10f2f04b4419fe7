/** Folders and files of a run that ends with it: the demo's, and those of tests. */
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder that every user may enter. */
export function makeScratch(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix))
  chmodSync(folder, 0o755)
  return folder
}

/** Makes a folder that every user may enter, given to `uid` where one is named. */
export function makeFolder(path: string, uid?: number): void {
  mkdirSync(path, { recursive: true })
  // Whatever the umask.
  chmodSync(path, 0o755)
  if (uid !== undefined) chownSync(path, uid, uid)
}

/** Writes a file that every user may read: no place for a key. */
export function writeText(path: string, text: string): void {
  writeFileSync(path, text)
  chmodSync(path, 0o644)
}

/** undefined while there is none. */
export function readText(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    return text === '' ? undefined : text
  } catch {
    return undefined
  }
}

/** A script that every user may run. */
export function makeProgram(path: string, text: string): void {
  writeFileSync(path, text)
  chmodSync(path, 0o755)
}

/** A copy of a program under another name, which every user may run. */
export function copyProgram(from: string, to: string): void {
  copyFileSync(from, to)
  chmodSync(to, 0o755)
}

/** The same program under a further name in the same file system, which costs no space. */
export function linkProgram(from: string, to: string): void {
  linkSync(from, to)
}

/** Whether `path` is a file that this user may run. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

export function removeScratch(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}
