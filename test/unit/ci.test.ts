import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const RUN = join(import.meta.dirname, '../../.ci/run')

/** Runs .ci/run with commands of our own in front of PATH; each writes its name and arguments to a file. */
function runWith(commands: Record<string, number>): { status: number | null; calls: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-ci-'))
  const calls = join(folder, 'calls')
  writeFileSync(calls, '')
  for (const [name, status] of Object.entries(commands)) {
    const path = join(folder, name)
    writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> "${calls}"\nexit ${status}\n`)
    chmodSync(path, 0o755)
  }
  const { status } = spawnSync('bash', [RUN], {
    env: { PATH: `${folder}:/usr/bin:/bin:/usr/sbin:/sbin` },
  })
  const lines = readFileSync(calls, 'utf8').trim().split('\n')
  rmSync(folder, { recursive: true })
  return { status, calls: lines }
}

const INSTALLED = Object.fromEntries(
  Array.from(readFileSync(RUN, 'utf8').matchAll(/\[([\w-]+)\]=/g), ([, name = '']) => [name, 0]),
)

test('.ci/run ends with npm test and passes its verdict on', () => {
  for (const verdict of [0, 1, 7]) {
    const { status, calls } = runWith({ ...INSTALLED, 'apt-get': 0, npm: verdict })
    assert.equal(status, verdict)
    assert.deepEqual(calls.at(-1), 'npm test')
    assert.equal(calls.filter((call) => call.startsWith('apt-get')).length, 0)
  }
})

test('.ci/run shows a checkout that only we may enter at a place all may, and passes the verdict on', (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root')
  const { status, calls } = runWith({ ...INSTALLED, setpriv: 1, unshare: 7, npm: 0 })
  assert.equal(status, 7)
  assert.match(calls.at(-1) ?? '', /^unshare --mount bash -c mount --bind/)
})

test('.ci/run installs Debian packages that are missing before it calls npm test', () => {
  const { status, calls } = runWith({ ...INSTALLED, python3: 1, 'apt-get': 0, npm: 0 })
  assert.equal(status, 0)
  const install = calls.findIndex((call) => call.startsWith('apt-get install'))
  assert.match(calls[install] ?? '', /python3-pip/)
  assert.ok(install < calls.indexOf('npm test'))
})
