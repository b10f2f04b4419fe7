/** Folders and files of a run that ends with it: the demo's, and those of tests. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
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

/** Makes a folder, given to `uid` where one is named. */
export function makeFolder(path: string, uid?: number): void {
  mkdirSync(path, { recursive: true, mode: 0o755 })
  if (uid !== undefined) chownSync(path, uid, uid)
}

export function writeText(path: string, text: string): void {
  writeFileSync(path, text)
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

/** A copy of a program under another name, which every user may run. */
export function copyProgram(from: string, to: string): void {
  copyFileSync(from, to)
  chmodSync(to, 0o755)
}

export function removeScratch(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}
