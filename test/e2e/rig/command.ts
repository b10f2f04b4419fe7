/** Commands of the CLI as processes, also as another user. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { run } from '../../../src/cli/program.ts'
import { ROOT } from './root.ts'

export interface CommandResult {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface CommandOptions {
  readonly uid?: number
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** What it reads from standard input, which is else not there. */
  readonly input?: string
}

const MAIN = join(ROOT, process.env['SPINDLE_MAIN'] ?? 'src/main.ts')
/** No command of a test takes this long: one that does hangs. */
const DEADLINE_MS = 60_000

/** Runs `spindle ARGS` to its end. */
export function spindle(
  args: readonly string[],
  { uid, cwd, env, input }: CommandOptions = {},
): Promise<CommandResult> {
  const program = uid === undefined ? [MAIN] : [join(import.meta.dirname, 'as-uid.ts'), `${uid}`]
  const child = spawn(process.execPath, ['--disable-sigusr1', ...program, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  })
  // A command may end before it has read all of it.
  child.stdin?.on('error', () => undefined).end(input)
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, out, err }))
  })
}

/** The same command in the test's own process: without the second that a process takes to start. */
export async function cli(...args: readonly string[]): Promise<CommandResult> {
  let out = ''
  let err = ''
  const code = await run(args, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    env: process.env,
    onSignal: () => () => undefined,
  })
  return { code, out, err }
}
