import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLibc } from '../../../src/os/libc.ts'
import { openStateFolder } from '../../../src/os/state-folder.ts'
import { makeScratch, removeScratch } from '../../../src/os/scratch.ts'

const uid = process.geteuid?.() ?? 0

test('openStateFolder() makes a folder of our own and lets nobody else hold it meanwhile', (t) => {
  const scratch = makeScratch('spindle-state-')
  t.after(() => removeScratch(scratch))
  const folder = join(scratch, 'state')
  const libc = openLibc()
  const first = openStateFolder(libc, folder, uid)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.equal(statSync(join(folder, '.lock')).mode & 0o777, 0o600)
  assert.throws(() => openStateFolder(libc, folder, uid), {
    code: 'config_invalid',
    message: /state is in use by another agent or server/,
  })
  first.close()
  openStateFolder(libc, folder, uid).close()
})

test('openStateFolder() removes what a killed agent had half written, once the folder is its own', (t) => {
  const scratch = makeScratch('spindle-state-')
  t.after(() => removeScratch(scratch))
  const libc = openLibc()
  const holder = openStateFolder(libc, scratch, uid)
  const torn = join(scratch, `.${randomUUID()}.tmp`)
  writeFileSync(torn, '{"slots": [{"key": "-----BEGIN')
  assert.throws(() => openStateFolder(libc, scratch, uid), /in use/)
  assert(existsSync(torn), 'the holder may be writing it')
  holder.close()
  openStateFolder(libc, scratch, uid).close()
  assert(!existsSync(torn))
})

test('openStateFolder() is free again after a holder that was killed', (t) => {
  const scratch = makeScratch('spindle-state-')
  t.after(() => removeScratch(scratch))
  const folder = join(scratch, 'state')
  const script = `
    import { openLibc } from './src/os/libc.ts'
    import { openStateFolder } from './src/os/state-folder.ts'
    openStateFolder(openLibc(), ${JSON.stringify(folder)}, ${uid})
    process.kill(process.pid, 'SIGKILL')`
  const cwd = join(import.meta.dirname, '../../..')
  const holder = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd })
  assert.equal(holder.signal, 'SIGKILL')
  openStateFolder(openLibc(), folder, uid).close()
})
