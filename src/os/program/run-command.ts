/** A program of the operator's, run to its end: no shell, a deadline, and its output line by line. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Clock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'

export interface CommandOptions {
  readonly clock: Clock
  readonly deadlineMs: number
  /** Aborted: the command is ended at once. */
  readonly signal: AbortSignal
  /** At most `mostLines` of them, each of at most `LONGEST_LINE` characters. */
  readonly onLine: (line: string) => void
  readonly mostLines: number
}

export interface CommandEnd {
  /** What went wrong, in words; undefined: exit code 0. */
  readonly fault: string | undefined
  /** Lines beyond `mostLines`. */
  readonly linesLeftOut: number
}

export const LONGEST_LINE = 1000
/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 3_000
/** What a program leaves running in the background may hold its output open for ever. */
const OUTPUT_GRACE_MS = 1_000

export async function runCommand(
  [program = '', ...args]: readonly string[],
  options: CommandOptions,
): Promise<CommandEnd> {
  const { clock, deadlineMs, signal } = options
  let linesLeft = options.mostLines
  let linesLeftOut = 0
  const onLine = (line: string): void => {
    if (linesLeft-- > 0) options.onLine(line)
    else linesLeftOut += 1
  }
  // A process group of its own, so that all it starts ends with it.
  const child = spawn(program, args, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const reading = [child.stdout, child.stderr].map((stream) => readLines(stream, onLine))
  let why: string | undefined
  const end = (reason: string): void => {
    if (why !== undefined) return
    why = reason
    signalGroup(child, 'SIGTERM')
    kill = clock.after(GRACE_MS, () => signalGroup(child, 'SIGKILL'))
  }
  const abort = (): void => end('was ended, for spindle is told to end')
  let kill = clock.after(deadlineMs, () => end(`has not ended within ${deadlineMs / 1000} s`))
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  const fault = await ended(child)
  kill.cancel()
  signal.removeEventListener('abort', abort)
  await outputOf(child, { reading, clock })
  return { fault: why ?? fault, linesLeftOut }
}

function ended(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`cannot be started: ${messageOf(error)}`))
    child.once('exit', (code, signal) => {
      if (code === 0) resolve(undefined)
      else resolve(code === null ? `was ended by ${signal}` : `ended with exit code ${code}`)
    })
  })
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // It has ended in this moment.
  }
}

async function outputOf(
  child: ChildProcess,
  { reading, clock }: { readonly reading: readonly Promise<void>[]; readonly clock: Clock },
): Promise<void> {
  const giveUp = clock.after(OUTPUT_GRACE_MS, () => {
    child.stdout?.destroy()
    child.stderr?.destroy()
  })
  await Promise.all(reading)
  giveUp.cancel()
}

/** Resolves when the stream has ended or is destroyed. */
function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): Promise<void> {
  let partial = ''
  const flush = (line: string): void => {
    const text = line.trimEnd()
    if (text !== '') onLine(text)
  }
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (partial + text).split('\n')
    partial = lines.pop() ?? ''
    lines.forEach((line) => flush(line.slice(0, LONGEST_LINE)))
    if (partial.length <= LONGEST_LINE) return
    flush(partial.slice(0, LONGEST_LINE))
    partial = ''
  })
  return new Promise((resolve) => {
    stream.on('error', () => undefined)
    stream.once('close', () => {
      flush(partial)
      resolve()
    })
  })
}
