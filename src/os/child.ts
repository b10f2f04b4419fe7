/** A child process with an owner: its output is kept, and its end is waited for. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { systemClock } from '../runtime/clock.ts'

export interface Child {
  readonly pid: number
  /** The newest output of both streams, at most a megabyte. */
  output(): string
  /** Resolves to the first line of stdout that `wanted` picks; rejects when the child ends before, with its output. */
  line(wanted: (line: string) => boolean): Promise<string>
  /** Resolves once it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  signal(name: NodeJS.Signals): void
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<void>
}

export interface ChildOptions {
  readonly uid?: number
  readonly gid?: number
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

const KEPT_CHARACTERS = 2 ** 20
const GRACE_MS = 3_000

/** @throws when the program cannot be started */
export async function startChild(
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Child> {
  const process_ = spawn(command, [...args], {
    ...options,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  await new Promise<void>((resolve, reject) => {
    process_.once('spawn', resolve)
    process_.once('error', (error) =>
      reject(new Error(`${command} cannot be started: ${error.message}`)),
    )
  })
  return new StartedChild(process_, command)
}

class StartedChild implements Child {
  readonly pid: number
  readonly ended: Child['ended']
  readonly #process: ChildProcess
  readonly #command: string
  readonly #lineListeners = new Set<(line: string) => void>()
  readonly #lines: string[] = []
  #output = ''
  #partial = ''

  constructor(process_: ChildProcess, command: string) {
    this.#process = process_
    this.#command = command
    this.pid = process_.pid ?? 0
    // 'close' comes after 'exit', when the last output has been read.
    this.ended = new Promise((resolve) => {
      process_.once('close', (code, signal) => resolve({ code, signal }))
    })
    process_.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    process_.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
  }

  output(): string {
    return this.#output
  }

  line(wanted: (line: string) => boolean): Promise<string> {
    const known = this.#lines.find(wanted)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      const listen = (line: string): void => {
        if (!wanted(line)) return
        this.#lineListeners.delete(listen)
        resolve(line)
      }
      this.#lineListeners.add(listen)
      void this.ended.then(({ code, signal }) => {
        this.#lineListeners.delete(listen)
        reject(new Error(`${this.#command} ended (${signal ?? code}):\n${this.#output}`))
      })
    })
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  async stop(graceMs = GRACE_MS): Promise<void> {
    this.signal('SIGTERM')
    const kill = systemClock.after(graceMs, () => this.signal('SIGKILL'))
    await this.ended
    kill.cancel()
  }

  #read(text: string): void {
    this.#keep(text)
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() ?? ''
    for (const line of lines) {
      this.#lines.push(line)
      if (this.#lines.length > 1000) this.#lines.shift()
      for (const listen of Array.from(this.#lineListeners)) listen(line)
    }
  }

  #keep(text: string): void {
    this.#output = (this.#output + text).slice(-KEPT_CHARACTERS)
  }
}
