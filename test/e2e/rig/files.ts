/** `spindle files` as a process, also as another user. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Child } from '../../../src/os/child.ts'
import { startChild } from '../../../src/os/child.ts'
import type { Rig } from './rig.ts'
import { ROOT } from './root.ts'

export interface FilesSettings {
  readonly config: string
  /** Further ones. */
  readonly args?: readonly string[]
  readonly uid?: number
  readonly env?: Readonly<Record<string, string>>
}

const MAIN = join(ROOT, process.env['SPINDLE_MAIN'] ?? 'src/main.ts')

/** Starts it; it ends with the rig. */
export async function startFiles(
  rig: Rig,
  { config, args: more = [], uid, env = {} }: FilesSettings,
): Promise<Child> {
  const program = uid === undefined ? [MAIN] : [join(import.meta.dirname, 'as-uid.ts'), `${uid}`]
  const args = [...program, 'files', '--config', config, ...more]
  const child = await startChild(process.execPath, ['--disable-sigusr1', ...args], { env })
  rig.atEnd(() => child.stop())
  return child
}

/** Resolves once everything is written. */
export async function filesReady(child: Child): Promise<void> {
  await child.line((line) => line.startsWith('{"ready":true'))
}

/**
 * A file of examples/ as a test uses it: what stands there is changed in these places alone, each of which must be there.
 * @returns the path of the copy
 */
export function copyExample(
  name: string,
  to: string,
  changes: Readonly<Record<string, string>>,
): string {
  let text = readFileSync(join(ROOT, 'examples', name), 'utf8')
  for (const [from, into] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`examples/${name} has no ${from}`)
    text = text.replaceAll(from, into)
  }
  writeFileSync(to, text, { mode: 0o644 })
  return to
}
