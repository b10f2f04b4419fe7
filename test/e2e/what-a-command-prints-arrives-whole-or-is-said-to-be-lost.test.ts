import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { runServer } from '../fakes/running-server.ts'
import { spindle } from './rig/command.ts'
import { ROOT } from './rig/root.ts'

const ENTRIES = 2_000

/** The socket of a server whose registry is far more than a pipe takes at once. */
async function largeRegistry(t: TestContext): Promise<string> {
  const { server } = await runServer(t)
  const socket = server.addresses.adminSocket
  const entries = Array.from({ length: ENTRIES }, (_, index) => ({
    spiffe_id: `spiffe://example.org/workload/${index}`,
    parent_id: 'spiffe://example.org/host',
    selectors: [{ type: 'unix', value: `uid:${index}` }],
  }))
  const made = await spindle(['entry', 'import', '-', '--server-socket', socket], {
    input: JSON.stringify({ entries }),
  })
  assert.deepEqual([made.code, made.err], [0, ''])
  assert.match(made.out, new RegExp(`^${ENTRIES} created, 0 there already, 0 failed\n$`, 'm'))
  return socket
}

test('what a command prints into a pipe arrives whole, whether it succeeds or fails', async (t) => {
  const socket = await largeRegistry(t)
  const { code, out } = await spindle(['entry', 'export', '--server-socket', socket])
  const { entries } = JSON.parse(out) as { entries: readonly object[] }
  assert.deepEqual([code, entries.length], [0, ENTRIES])
  const again = await spindle(['entry', 'create', '-data', '-', '--server-socket', socket], {
    input: out,
  })
  assert.equal(again.code, 1)
  assert.equal(again.err.match(/^It is there as Entry ID /gm)?.length, ENTRIES)
  assert.match(again.err, /Error: failed to create one or more entries\n$/)
})

test('a command whose output cannot be written says so and fails', async () => {
  const full = openSync('/dev/full', 'w')
  try {
    const main = join(ROOT, process.env['SPINDLE_MAIN'] ?? 'src/main.ts')
    const child = spawn(process.execPath, ['--disable-sigusr1', main, '--help'], {
      stdio: ['ignore', full, 'pipe'],
      timeout: 60_000,
    })
    let err = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
    const code = await new Promise((resolve) => child.once('close', resolve))
    assert.deepEqual([code, err], [1, 'spindle: standard output cannot be written: ENOSPC\n'])
  } finally {
    closeSync(full)
  }
})
