/** The Go program of test/bench/go: a client that costs little, and a bare server to measure against. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Report {
  /** With at least one message since the mark. */
  readonly streams: number
  readonly messages: number
  readonly mostOfOne: number
  /** Since the mark, or since the start. */
  readonly firstMs: number
  readonly lastMs: number
  readonly spreadMs: number
  readonly medianMs: number
  readonly failed: number
}

export interface Load {
  mark(): Promise<void>
  /** Until `count` streams have had a message since the mark. */
  wait(count: number): Promise<Report>
  report(): Promise<Report>
  close(): void
}

export interface Streams {
  readonly variant: 'sotw' | 'delta'
  readonly connections: number
  readonly streams: number
  readonly names: readonly string[]
}

const WAIT_S = 60

/** @returns undefined where there is no Go */
export function buildProgram(folder: string): string | undefined {
  if (spawnSync('go', ['version']).status !== 0) return undefined
  const binary = join(folder, 'bench')
  const built = spawnSync('go', ['build', '-o', binary, '.'], {
    cwd: join(import.meta.dirname, 'go'),
    encoding: 'utf8',
  })
  if (built.status !== 0) throw new Error(`go build: ${built.stderr}`)
  return binary
}

/** Lines in, JSON lines out, in turn. */
class Conversation {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting: ((line: string) => void)[] = []
  readonly #early: string[] = []
  #failed: Error | undefined

  constructor(binary: string, args: readonly string[]) {
    // As the first line of Spindle's program has it, for what is run on Node.
    const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '32768' }
    this.#child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'pipe'], env })
    let complaint = ''
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
    this.#child.on('close', (code) => {
      this.#failed = new Error(`bench ${args[0]} ended (${code}): ${complaint}`)
      for (const go of this.#waiting.splice(0)) go('')
    })
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const go = this.#waiting.shift()
      if (go === undefined) this.#early.push(line)
      else go(line)
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async answer<T>(): Promise<T> {
    const line = this.#early.shift() ?? (await new Promise<string>((go) => this.#waiting.push(go)))
    if (line === '') throw this.#failed ?? new Error('no answer')
    return JSON.parse(line) as T
  }

  ask<T>(command: string): Promise<T> {
    this.#child.stdin.write(`${command}\n`)
    return this.answer<T>()
  }

  close(): void {
    this.#child.stdin.end()
    this.#child.kill('SIGKILL')
  }
}

function follow(binary: string, args: readonly string[]): Load {
  const talk = new Conversation(binary, args)
  return {
    mark: async () => void (await talk.ask('mark')),
    wait: (count) => talk.ask<Report>(`wait ${count} ${WAIT_S}`),
    report: () => talk.ask<Report>('report'),
    close: () => talk.close(),
  }
}

export function startLoad(binary: string, socket: string, streams: Streams): Load {
  return follow(binary, [
    'load',
    `-socket=${socket}`,
    `-variant=${streams.variant}`,
    `-connections=${streams.connections}`,
    `-streams=${streams.streams}`,
    `-names=${streams.names.join(',')}`,
  ])
}

/** The same for watchers of FetchX509SVID. */
export function startWatch(
  binary: string,
  socket: string,
  { connections, streams }: Pick<Streams, 'connections' | 'streams'>,
): Load {
  const size = [`-connections=${connections}`, `-streams=${streams}`]
  return follow(binary, ['watch', `-socket=${socket}`, ...size])
}

async function only<T>(binary: string, args: readonly string[]): Promise<T> {
  const talk = new Conversation(binary, args)
  try {
    return await talk.answer<T>()
  } finally {
    talk.close()
  }
}

interface Rate {
  readonly perSecond: number
  readonly failed: number
}

async function rate(binary: string, args: readonly string[]): Promise<number> {
  const { perSecond, failed } = await only<Rate>(binary, args)
  if (failed > 0) throw new Error(`${failed} callers of ${args[0]} failed`)
  return perSecond
}

/** FetchSecrets by `callers` at once: answers a second. */
export const fetchRate = (binary: string, socket: string, callers: number): Promise<number> =>
  rate(binary, ['fetch', `-socket=${socket}`, `-connections=${callers}`])

/** FetchJWTSVID, for an audience that is cached or for another one each time, or ValidateJWTSVID: answers a second. */
export const jwtRate = (
  binary: string,
  socket: string,
  what: 'cached' | 'uncached' | 'validate',
): Promise<number> => rate(binary, ['jwt', `-socket=${socket}`, `-what=${what}`])

/** Milliseconds from connecting to the first message of FetchX509SVID, of `count` callers one after another. */
export async function firstX509Times(
  binary: string,
  socket: string,
  count: number,
): Promise<readonly number[]> {
  const args = ['first', `-socket=${socket}`, `-count=${count}`]
  return (await only<{ readonly tookMs: readonly number[] }>(binary, args)).tookMs
}

/** A server to measure against. */
export interface Yardstick {
  readonly pid: number
  readonly socket: string
  renew(): Promise<void>
  close(): void
}

/** A bare grpc-go SDS server without attestation: what this machine allows at most. */
export const startReference = (binary: string, folder: string): Promise<Yardstick> =>
  startYardstick(folder, binary, (socket) => ['reference', `-socket=${socket}`])

const BARE = join(import.meta.dirname, 'bare.ts')

/** The same on grpc-js, as Spindle is run: what Node and grpc-js allow at most. */
export const startBare = (folder: string): Promise<Yardstick> =>
  startYardstick(folder, process.execPath, (socket) => ['--max-semi-space-size=2', BARE, socket])

async function startYardstick(
  folder: string,
  program: string,
  argsFor: (socket: string) => readonly string[],
): Promise<Yardstick> {
  const socket = join(folder, `yardstick-${process.hrtime.bigint()}.sock`)
  const talk = new Conversation(program, argsFor(socket))
  await talk.answer()
  return {
    pid: talk.pid,
    socket,
    renew: async () => void (await talk.ask('renew')),
    close: () => talk.close(),
  }
}
