/** Clients of others as processes, which tell of what they are given and answer what they are asked, in lines of JSON. */
import assert from 'node:assert/strict'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { copyProgram, readText } from '../../src/os/scratch.ts'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { eventually } from '../e2e/rig/rig.ts'
import { ROOT } from '../e2e/rig/root.ts'

/** A question, by the names the programs know. */
export interface Ask {
  readonly do: string
  readonly audience?: readonly string[]
  readonly subject?: string
  readonly token?: string
  readonly count?: number
  readonly id?: string
}

export interface Program<Told, Answer, Question = Ask> {
  /** All it has told without being asked, in order. */
  readonly told: readonly Told[]
  /** The first of what it tells, not before `from`, that `wanted` picks. */
  next(what: string, wanted: (told: Told) => boolean, from?: number): Promise<Told>
  ask(question: Question): Promise<Answer>
}

/** A program with its arguments. */
export interface Command {
  readonly path: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const PATIENCE_MS = 20_000

/** Runs until the test ends, as a client of `agent` that is told of it by SPIFFE_ENDPOINT_SOCKET alone. */
export function startProgram<Told, Answer, Question extends Pick<Ask, 'do'> = Ask>(
  rig: Rig,
  agent: Pick<Agent, 'socket'>,
  { path, args, env }: Command,
): Program<Told, Answer, Question> {
  const child = spawn(path, [...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env, SPIFFE_ENDPOINT_SOCKET: `unix://${agent.socket}` },
  })
  const over = once(child, 'close')
  const told: Told[] = []
  const answers: Answer[] = []
  let complaints = ''
  let ended = false
  child.once('close', () => (ended = true))
  child.stdin.on('error', () => undefined)
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as { readonly answer?: Answer }
    if (said.answer === undefined) told.push(said as Told)
    else answers.push(said.answer)
  })
  rig.atEnd(async () => {
    child.stdin.end()
    child.kill('SIGKILL')
    await over
  })
  const waitFor = async <T>(what: string, look: () => T | undefined): Promise<T> => {
    const found = await eventually(what, () => (ended ? { ended } : wrap(look())), PATIENCE_MS)
    if ('ended' in found) assert.fail(`${what}: ${path} has ended: ${complaints}`)
    return found.value
  }
  let taken = 0
  return {
    told,
    next: (what, wanted, from = 0) => waitFor(what, () => told.slice(from).find(wanted)),
    async ask(question) {
      const mine = taken++
      child.stdin.write(`${JSON.stringify(question)}\n`)
      return waitFor(`an answer to ${question.do}`, () => answers[mine])
    },
  }
}

const wrap = <T>(value: T | undefined): { readonly value: T } | undefined =>
  value === undefined ? undefined : { value }

const missing = (t: TestContext, what: string): undefined => {
  if (process.env['CI'] === 'true') assert.fail(what)
  t.skip(what)
  return undefined
}

/**
 * The program of go-spiffe under each of `names`: files of their own, which a selector can tell apart by their path.
 * undefined, having skipped the test, where there is no Go; CI must have it.
 */
export async function goPrograms<Name extends string>(
  t: TestContext,
  rig: Rig,
  ...names: readonly Name[]
): Promise<Readonly<Record<Name, string>> | undefined> {
  if (spawnSync('go', ['version']).status !== 0)
    return missing(t, 'needs Go (Debian: apt-get install golang-go)')
  const built = join(rig.folder, 'interop')
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly', GOWORK: 'off' }
  // npm test has compiled its modules (.ci/interop.mjs): what is left takes a second.
  await promisify(execFile)('go', ['build', '-o', built, '.'], {
    cwd: join(import.meta.dirname, 'go-spiffe'),
    env,
  })
  const copies = names.map((name) => {
    const copy = join(rig.folder, name)
    copyProgram(built, copy)
    return [name, copy] as const
  })
  return Object.fromEntries(copies) as Record<Name, string>
}

/** The program of Python's spiffe; undefined, having skipped the test, where npm test could not fetch the package. */
export function pythonProgram(t: TestContext): Command | undefined {
  const found = readText(join(ROOT, '.cache/python-spiffe.json')) ?? ''
  if (found === '') return missing(t, 'needs the Python package spiffe: run npm test')
  const { command, packages } = JSON.parse(found) as { command: string; packages: string }
  return {
    path: command,
    args: [join(import.meta.dirname, 'python-spiffe/interop.py')],
    // No compiled files beside the sources.
    env: { PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' },
  }
}

/** Has the key for JWT-SVIDs replaced: published alone, or let sign `now`. Resolves to the key IDs; `prepared` is '' for none. */
export async function rotateJwtKey(
  agent: Pick<Agent, 'admin'>,
  now: boolean,
): Promise<{ readonly active: string; readonly prepared: string }> {
  const { rotateAuthority } = AdminService.method
  const answer = await agent.admin.call(rotateAuthority, { jwt: true, now }, { deadlineMs: 10_000 })
  return { active: answer.activeAuthorityId, prepared: answer.preparedAuthorityId }
}
