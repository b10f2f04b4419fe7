import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openLibc } from '../../../src/os/libc.ts'
import { openStateFolder } from '../../../src/os/state-folder.ts'
import { openConfiguredStore } from '../../../src/server/open-store.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { createManualClock } from '../../fakes/clock.ts'
import { temporaryFolder } from '../../fakes/folder.ts'
import { createSeededRandom } from '../../fakes/random.ts'

const libc = openLibc()
const uid = process.geteuid?.() ?? 0
const clock = createManualClock()
const random = createSeededRandom(1)
const log = createLog({ level: 'error', format: 'text', stream: process.stderr, clock })

/** A server, as far as its state folder, that opens a store in `file`. */
function serverAt(t: TestContext, stateDir: string) {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const held = openStateFolder(libc, stateDir, uid)
  t.after(() => held.close())
  const parts = { clock, random, log, uid, libc, stateDir }
  return async (file: string) => {
    const store = await openConfiguredStore({ kind: 'sqlite', file }, parts)
    t.after(() => store.close())
    return store
  }
}

test('openConfiguredStore() lets no second server have a database, wherever its own state is', async (t) => {
  const folder = temporaryFolder(t)
  const [one, two] = [serverAt(t, join(folder, 'one')), serverAt(t, join(folder, 'two'))]
  const file = join(folder, 'shared', 'registry.db')
  const first = await one(file)
  const inUse = { code: 'config_invalid', message: /^store\.file: .*shared is in use by another/ }
  await assert.rejects(two(file), inUse)
  await first.close()
  const second = await two(file)
  await assert.rejects(one(file), inUse)
  await second.close()
  // One that is in the folder of a server that runs, though that has no store open.
  await assert.rejects(two(join(folder, 'one', 'registry.db')), { code: 'config_invalid' })
})

test('openConfiguredStore() knows the state folder by any name, and lets go of what it could not open', async (t) => {
  const folder = temporaryFolder(t)
  const stateDir = join(folder, 'state')
  const open = serverAt(t, stateDir)
  await (await open(join(stateDir, 'registry.db'))).close()
  symlinkSync(folder, join(folder, 'link'))
  await (await open(join(folder, 'link', 'state', 'registry.db'))).close()
  const elsewhere = join(folder, 'elsewhere')
  mkdirSync(join(elsewhere, 'registry.db'), { recursive: true, mode: 0o700 })
  await assert.rejects(open(join(elsewhere, 'registry.db')))
  await (await open(join(elsewhere, 'another.db'))).close()
})
