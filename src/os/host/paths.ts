import { accessSync, constants, lstatSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** What is at a path, links followed. */
export interface FoundPath {
  readonly kind: 'folder' | 'socket' | 'other'
  readonly uid: number
  /** Permission bits. */
  readonly mode: number
}

/** undefined where there is nothing, or it may not be looked at. */
export function findPath(path: string): FoundPath | undefined {
  try {
    const stat = statSync(path)
    const kind = stat.isDirectory() ? 'folder' : stat.isSocket() ? 'socket' : 'other'
    return { kind, uid: stat.uid, mode: stat.mode & 0o7777 }
  } catch {
    return undefined
  }
}

/** Whether something has the name, be it a link that leads nowhere. */
export function isTaken(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

const OTHERS_ENTER = 0o001

/** The folder on the way to a path, or its own, that users other than its owner and group cannot enter. */
export function closedToOthers(path: string): string | undefined {
  const found: string[] = []
  for (let at = dirname(path); ; at = dirname(at)) {
    const folder = findPath(at)
    if (folder !== undefined && (folder.mode & OTHERS_ENTER) === 0) found.push(at)
    if (at === dirname(at)) return found.at(-1)
  }
}

export function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
