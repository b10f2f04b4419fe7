import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const RUNTIME = join(import.meta.dirname, '../../../src/runtime')

/** What a process writes that waits for a timer of the system clock alone. */
function waitsFor(inFront: string): string {
  const code = `
    import { systemClock } from '${RUNTIME}/clock.ts'
    import { keepAlive } from '${RUNTIME}/keep-alive.ts'
    ${inFront}
    await new Promise((resolve) => systemClock.after(20, resolve))
    console.log('waited')
    release?.()`
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    timeout: 20_000,
  }).stdout
}

test('keepAlive() lets a process that waits for the clock alone get there, and end once released', () => {
  assert.equal(waitsFor('const release = keepAlive()'), 'waited\n')
  assert.equal(waitsFor('const release = undefined'), '', 'without it, it ends before')
})
