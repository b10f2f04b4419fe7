// S04 of docs/faults.md.
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ensureSafeFolder, findUnmade } from '../../../src/os/safe-folder.ts'
import { temporaryFolder, writeIn } from '../../fakes/folder.ts'

const uid = process.geteuid?.() ?? 0
const rules = { uid, folderMode: 0o700 }
const refused = (message: RegExp): object => ({ code: 'socket_unusable', message })
const modeOf = (path: string): number => statSync(path).mode & 0o7777

function needsRoot(t: TestContext): boolean {
  if (uid === 0) return false
  assert.notEqual(process.env['CI'], 'true', 'CI runs this as root')
  t.skip('needs root, to give files to another uid')
  return true
}

test('ensureSafeFolder makes what is missing: 0755 on the way, its own mode for the last', (t) => {
  const folder = temporaryFolder(t)
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  ensureSafeFolder(join(folder, 'a/b/admin'), rules)
  assert.deepEqual(
    ['a', 'a/b', 'a/b/admin'].map((name) => modeOf(join(folder, name))),
    [0o755, 0o755, 0o700],
  )
})

test('ensureSafeFolder leaves the mode of a folder that is there', (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'own'))
  chmodSync(join(folder, 'own'), 0o750)
  ensureSafeFolder(join(folder, 'own'), rules)
  assert.equal(modeOf(join(folder, 'own')), 0o750)
})

test('ensureSafeFolder refuses a folder on the way that group or others may write, unless it is sticky', (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'open/inner'), { recursive: true })
  for (const mode of [0o777, 0o775, 0o757]) {
    chmodSync(join(folder, 'open'), mode)
    assert.throws(() => ensureSafeFolder(join(folder, 'open/inner'), rules), refused(/open may be/))
  }
  chmodSync(join(folder, 'open'), 0o1777)
  ensureSafeFolder(join(folder, 'open/inner'), rules)
})

test('ensureSafeFolder refuses a folder or a link of another uid, sticky or not', (t) => {
  if (needsRoot(t)) return
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'foreign/inner'), { recursive: true })
  chownSync(join(folder, 'foreign'), 1001, 0)
  for (const mode of [0o755, 0o1777]) {
    chmodSync(join(folder, 'foreign'), mode)
    assert.throws(() => ensureSafeFolder(join(folder, 'foreign/inner'), rules), refused(/uid 1001/))
  }
  // What leads through a foreign folder is refused as well, though link and goal are fine.
  symlinkSync('foreign/inner', join(folder, 'link'))
  mkdirSync(join(folder, 'foreign/inner/socket'))
  assert.throws(() => ensureSafeFolder(join(folder, 'link/socket'), rules), refused(/uid 1001/))
  ensureSafeFolder(join(folder, 'foreign/inner'), { ...rules, uid: 1001 })
  mkdirSync(join(folder, 'own/socket'), { recursive: true })
  symlinkSync('own', join(folder, 'foreign-link'))
  ensureSafeFolder(join(folder, 'foreign-link/socket'), rules)
  lchownSync(join(folder, 'foreign-link'), 1001, 0)
  assert.throws(
    () => ensureSafeFolder(join(folder, 'foreign-link/socket'), rules),
    refused(/foreign-link belongs to uid 1001/),
  )
})

test('ensureSafeFolder follows links on the way, as /var/run is one, but not as the folder itself', (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'run'))
  symlinkSync('../' + folder.split('/').at(-1) + '/run', join(folder, 'var'))
  ensureSafeFolder(join(folder, 'var/spindle'), rules)
  assert.equal(modeOf(join(folder, 'run/spindle')), 0o700)
  assert.throws(() => ensureSafeFolder(join(folder, 'var'), rules), refused(/symbolic link/))
  symlinkSync('loop', join(folder, 'loop'))
  assert.throws(() => ensureSafeFolder(join(folder, 'loop/x'), rules), refused(/too many/))
})

test('ensureSafeFolder refuses a way through a file', (t) => {
  const folder = temporaryFolder(t)
  writeIn(folder, 'file', '')
  assert.throws(() => ensureSafeFolder(join(folder, 'file/x'), rules), refused(/is not a folder/))
})

test('findUnmade makes nothing, and tells the first folder that is not there', (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'a'))
  assert.equal(findUnmade(join(folder, 'a'), uid), undefined)
  assert.equal(findUnmade(join(folder, 'a/b/c'), uid), join(folder, 'a/b'))
  assert.equal(existsSync(join(folder, 'a/b')), false)
  chmodSync(join(folder, 'a'), 0o777)
  assert.throws(() => findUnmade(join(folder, 'a/b'), uid), refused(/chmod go-w/))
})
