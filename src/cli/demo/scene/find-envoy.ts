/** The real Envoy: where it is, and whether it can be run as the users the demo wants. */
import { dirname, isAbsolute, join } from 'node:path'
import { startChild } from '../../../os/child.ts'
import { copyProgram, isProgram, linkProgram, makeFolder, readText } from '../../../os/scratch.ts'
import { messageOf } from '../../../runtime/errors.ts'
import { CommandFailed } from '../../io.ts'
import type { Patience } from '../wait.ts'
import { within } from '../wait.ts'
import type { Member } from './cast.ts'

const RUN_DEADLINE_MS = 10_000

const WHAT_TO_DO =
  'Run `npm run demo` in a checkout, which fetches it, or set ENVOY_BIN to its path.'

/**
 * ENVOY_BIN, else the one that setup noted in .cache/envoy, else one on PATH.
 * @throws CommandFailed (exit 3) that says what to do
 */
export function findEnvoy(root: string, env: Readonly<Record<string, string | undefined>>): string {
  const named = env['ENVOY_BIN'] ?? ''
  if (named !== '') {
    if (isProgram(named)) return named
    throw new CommandFailed(3, `ENVOY_BIN=${named} is not a program.\n${WHAT_TO_DO}`)
  }
  const noted = readText(join(root, '.cache/envoy'))?.trim()
  const folders = (env['PATH'] ?? '').split(':').filter((folder) => isAbsolute(folder))
  const found = [noted ?? '', ...folders.map((folder) => join(folder, 'envoy'))].find(isProgram)
  if (found !== undefined) return found
  throw new CommandFailed(
    3,
    `The demo needs the real Envoy, and there is none here.\n${WHAT_TO_DO}`,
  )
}

/** Puts Envoy where every user may run it, under the names the cast runs it by. */
export function placePrograms(envoy: string, members: readonly Member[]): void {
  const [first, ...others] = Array.from(new Set(members.map(({ program }) => program)))
  if (first === undefined) return
  makeFolder(dirname(first))
  copyProgram(envoy, first)
  for (const program of others) linkProgram(first, program)
}

/** The version of the Envoy a member would run, as the user it would run as. @throws Error where it cannot be run so */
export async function envoyVersion(
  { program, uid }: Pick<Member, 'program' | 'uid'>,
  patience: Patience,
): Promise<string> {
  const options = uid === undefined ? {} : { uid, gid: uid }
  const child = await startChild(program, ['--version'], { cwd: '/', ...options })
  try {
    const { code, signal } = await within(`${program} --version`, child.ended, {
      ...patience,
      withinMs: RUN_DEADLINE_MS,
    })
    const version = /\/(\d+\.\d+\.\d+)/.exec(child.output())?.[1]
    if (code === 0 && version !== undefined) return version
    throw new Error(`${program} --version ended with ${signal ?? code}: ${child.output().trim()}`)
  } catch (thrown) {
    await child.stop()
    throw new Error(messageOf(thrown), { cause: thrown })
  }
}
