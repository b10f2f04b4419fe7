import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../../../../src/os/program/run-command.ts'
import type { CommandEnd } from '../../../../src/os/program/run-command.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { keepAlive } from '../../../../src/runtime/keep-alive.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'

async function run(
  argv: readonly string[],
  options: { readonly deadlineMs?: number; readonly signal?: AbortSignal } = {},
): Promise<CommandEnd & { readonly lines: readonly string[] }> {
  const lines: string[] = []
  const release = keepAlive()
  try {
    const end = await runCommand(argv, {
      clock: systemClock,
      deadlineMs: 20_000,
      signal: new AbortController().signal,
      onLine: (line) => lines.push(line),
      mostLines: 20,
      ...options,
    })
    return { ...end, lines }
  } finally {
    release()
  }
}

const sh = (script: string): readonly string[] => ['/bin/sh', '-c', script]

test('runCommand gives each word of the command to the program as it is: no shell reads them', async () => {
  const { fault, lines } = await run(['/bin/echo', '$HOME', ';', 'a  b', '`id`'])
  assert.equal(fault, undefined)
  assert.deepEqual(lines, ['$HOME ; a  b `id`'])
})

test('runCommand passes on what is said on both streams, line by line and bounded', async () => {
  const { lines } = await run(sh('echo out; echo err >&2; printf "no newline"'))
  assert.deepEqual(lines.toSorted(), ['err', 'no newline', 'out'])
  const many = await run(sh('seq 1 500'))
  assert.equal(many.lines.length, 20)
  assert.equal(many.linesLeftOut, 480)
  const long = await run(sh('head -c 5000 /dev/zero | tr "\\0" x'))
  assert(long.lines.length > 0 && long.lines.every((line) => line.length <= 1000))
})

test('runCommand says how it went wrong', async () => {
  assert.match((await run(sh('exit 3'))).fault ?? '', /ended with exit code 3/)
  assert.match((await run(sh('kill -9 $$'))).fault ?? '', /was ended by SIGKILL/)
  assert.match((await run(['/no/such/program'])).fault ?? '', /cannot be started.*ENOENT/)
})

test('a command that does not end is ended with all it started', { timeout: 20_000 }, async (t) => {
  const told = join(temporaryFolder(t), 'pid')
  const script = `sleep 60 & echo $! > ${told}; wait`
  const { fault } = await run(sh(script), { deadlineMs: 1_000 })
  assert.match(fault ?? '', /has not ended within 1 s/)
  const pid = readFileSync(told, 'utf8').trim()
  const stat = `/proc/${pid}/stat`
  // Nobody may have waited for it yet.
  if (existsSync(stat)) assert.match(readFileSync(stat, 'utf8'), /\) Z /)
})

test('a command that does not heed SIGTERM is killed', { timeout: 20_000 }, async () => {
  const started = performance.now()
  const { fault } = await run(sh('trap "" TERM; while :; do sleep 0.1; done'), { deadlineMs: 100 })
  assert.match(fault ?? '', /has not ended/)
  assert(performance.now() - started < 10_000)
})

test('what a command leaves running does not hold it up', { timeout: 20_000 }, async (t) => {
  const told = join(temporaryFolder(t), 'pid')
  const { fault } = await run(sh(`sleep 60 & echo $! > ${told}`))
  assert.equal(fault, undefined)
  process.kill(Number(readFileSync(told, 'utf8')))
})

test('a command ends when it is told to', { timeout: 20_000 }, async () => {
  const abort = new AbortController()
  const running = run(sh('sleep 60'), { signal: abort.signal })
  abort.abort()
  assert.match((await running).fault ?? '', /told to end/)
  const late = await run(sh('sleep 60'), { signal: abort.signal })
  assert.match(late.fault ?? '', /told to end/)
})
