import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openStateFile } from '../../../src/os/state-file.ts'
import { createManualClock } from '../../fakes/clock.ts'
import { temporaryFolder } from '../../fakes/folder.ts'

test('openStateFile() reads what it wrote, for its owner alone, and knows that there is none', async (t) => {
  const path = join(temporaryFolder(t), 'state.json')
  const file = openStateFile(path, createManualClock())
  assert.equal(file.read(), undefined)
  await file.write('kept')
  assert.equal(file.read(), 'kept')
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('openStateFile() takes a name that leads elsewhere, or nowhere, for a file it cannot read and not for none', (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'elsewhere'), 'of another')
  for (const target of ['elsewhere', 'nowhere']) {
    const path = join(folder, `to-${target}`)
    symlinkSync(target, path)
    assert.throws(() => openStateFile(path, createManualClock()).read(), { code: 'ELOOP' })
  }
})

test('openStateFile() moves aside to a name not used before, and leaves its content', (t) => {
  const path = join(temporaryFolder(t), 'state.json')
  const file = openStateFile(path, createManualClock())
  const names = ['one', 'two'].map((content) => {
    writeFileSync(path, content)
    return file.quarantine()
  })
  assert.equal(existsSync(path), false)
  assert.deepEqual(
    names.map((name) => readFileSync(name, 'utf8')),
    ['one', 'two'],
  )
})
