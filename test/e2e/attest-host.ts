/** A socket with the real acceptor and unix attestor behind it, and callers of real uids: what the attack tests share. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { createAcceptor } from '../../src/agent/accept/acceptor.ts'
import type { Connection } from '../../src/agent/accept/connection.ts'
import type { Attestor } from '../../src/agent/attest/attestor.ts'
import { createUnixAttestor } from '../../src/agent/attest/unix.ts'
import { openLibc } from '../../src/os/libc.ts'
import { listenUnix } from '../../src/os/listen.ts'
import { createPeerReader } from '../../src/os/peer-credentials.ts'
import { createExecutableLook } from '../../src/os/process/executable-look.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { temporaryFolder } from '../fakes/folder.ts'

/** Everyone may run it, unlike one in a home folder. */
export const PYTHON = '/usr/bin/python3'

export interface AttestHost {
  /** Holds the socket; every uid may enter. */
  readonly folder: string
  readonly socket: string
  readonly attestor: Attestor
  /** Begins to accept; connections made before waited. */
  readonly accept: () => void
  /** What becomes of the next connection: it, or the reason it is refused for. */
  readonly next: () => Promise<Connection | string>
}

/** @returns undefined when the test has been skipped: a part of the machine is missing */
export async function createAttestHost(t: TestContext): Promise<AttestHost | undefined> {
  const missing = missingPart()
  if (missing !== undefined) {
    skip(t, missing)
    return undefined
  }
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o755)
  return openAttestHost(t, folder, 'agent.sock')
}

export async function openAttestHost(
  t: Pick<TestContext, 'after'>,
  folder: string,
  name: string,
): Promise<AttestHost> {
  const libc = openLibc()
  const peers = createPeerReader({ libc, pidfd: 'required' })
  const listener = await listenUnix(libc, join(folder, name), { mode: 0o777 })
  const outcomes: (Connection | string)[] = []
  let arrived = (): void => undefined
  const tell = (outcome: Connection | string): void => {
    outcomes.push(outcome)
    arrived()
  }
  t.after(() => listener.close())
  return {
    folder,
    socket: listener.path,
    attestor: createUnixAttestor({
      clock: systemClock,
      config: { path: true, sha256: true, sha256MaxBytes: 64 * 1024 * 1024 },
      effectiveIds: peers.effectiveIds,
      executableOf: createExecutableLook(libc),
    }),
    accept() {
      const acceptor = createAcceptor({
        listener,
        peers,
        clock: systemClock,
        limits: { connectionsPerUid: 100, connections: 100 },
        onConnection: (connection, socket) => {
          socket.resume()
          tell(connection)
        },
        refused: ({ reason }) => tell(reason),
        closed: () => undefined,
        weaklyHeld: () => undefined,
      })
      t.after(() => acceptor.close())
    },
    async next() {
      while (outcomes.length === 0) {
        await within(20_000, new Promise<void>((resolve) => (arrived = resolve)))
      }
      return outcomes.shift() as Connection | string
    },
  }
}

export function skip(t: TestContext, why: string): void {
  assert.notEqual(process.env['CI'], 'true', `CI has what this test needs, but: ${why}`)
  t.skip(why)
}

function missingPart(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root, to run callers of other uids'
  if (!existsSync(PYTHON)) return `needs ${PYTHON}, to be callers`
  return spawnSync('setpriv', ['--version']).status === 0 ? undefined : 'needs setpriv (util-linux)'
}

export function connectionIn(outcome: Connection | string): Connection {
  if (typeof outcome === 'string') assert.fail(`refused: ${outcome}`)
  return outcome
}

/** The path the kernel shows of what runs when `path` is executed. */
export function programOf(path: string): string {
  return realpathSync(path)
}

/** Rejects when `promise` takes longer; keeps the process alive meanwhile. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let deadline: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    deadline = setTimeout(() => reject(new Error(`nothing happened in ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(deadline)
  }
}

export interface CallerOptions {
  readonly uid: number
  readonly gid?: number
  readonly groups?: readonly number[]
  /** Runs the command that follows: a namespace to enter. */
  readonly through?: readonly string[]
}

export interface CallerProcess {
  readonly pid: number
  readonly process: ChildProcessWithoutNullStreams
  /** The next line it writes. */
  readonly line: () => Promise<string>
  readonly write: (text: string) => void
}

/** Starts a command as another uid, without any capability of ours. */
export function startCaller(
  t: Pick<TestContext, 'after'>,
  { uid, gid = uid, groups = [], through = [] }: CallerOptions,
  command: readonly string[],
): CallerProcess {
  const groupOption = groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups'
  const args = [`--reuid=${uid}`, `--regid=${gid}`, groupOption, ...through, ...command]
  const child = spawn('setpriv', args, { cwd: '/' })
  child.stderr.pipe(process.stderr, { end: false })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return {
    pid: child.pid ?? 0,
    process: child,
    async line() {
      const { value, done } = await within(20_000, lines.next())
      assert(done !== true, `${command[0]} wrote no more lines`)
      return value
    },
    write: (text) => void child.stdin.write(text),
  }
}

/** Python that connects to the socket named by its first argument, then runs `rest`; `s` is the socket. */
export function connecting(rest: string): string {
  return `
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.set_inheritable(True)
print('connected', flush=True)
${rest}
`
}

/** Stays until its standard input ends. */
export const STAY = connecting('sys.stdin.read()')
