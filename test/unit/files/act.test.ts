import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AfterConfig } from '../../../src/config/files/files-config.ts'
import { actionOf } from '../../../src/files/act.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { keepAlive } from '../../../src/runtime/keep-alive.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { temporaryFolder } from '../../fakes/folder.ts'

const TIMES = { deadlineMs: 10_000, debounceMs: 0 }

/** Does it; the fields of each line of the log. */
async function act(config: AfterConfig): Promise<readonly Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = []
  const stream = {
    write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>),
  }
  const log = createLog({ level: 'info', format: 'json', stream, clock: systemClock })
  const release = keepAlive()
  try {
    const uid = process.geteuid?.() ?? 0
    await actionOf(config, { clock: systemClock, log, uid })(new AbortController().signal)
  } finally {
    release()
  }
  return lines
}

test('what a command says goes to the log, on one line each and without what steers a terminal', async () => {
  const script = 'printf "one\\ntwo\\033[2J\\n"; seq 1 200'
  const lines = await act({ ...TIMES, command: ['/bin/sh', '-c', script] })
  assert.deepEqual(
    lines.slice(0, 2).map(({ line }) => line),
    ['one', 'two?[2J'],
  )
  assert.equal(lines.length, 102)
  assert.equal(lines[100]?.['linesLeftOut'], 102)
})

test('a command that fails says with which exit code', async () => {
  await assert.rejects(act({ ...TIMES, command: ['/bin/sh', '-c', 'exit 7'] }), {
    code: 'after_failed',
    message: '/bin/sh ended with exit code 7',
  })
})

test('a signal that reaches nobody is a failure', async (t) => {
  const pidFile = join(temporaryFolder(t), 'none.pid')
  await assert.rejects(act({ ...TIMES, signal: { name: 'SIGHUP', pidFile } }), {
    code: 'after_failed',
    message: /none\.pid cannot be read/,
  })
})
