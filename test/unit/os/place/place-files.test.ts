import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PlaceRules } from '../../../../src/os/place/open-folder.ts'
import { placeFiles } from '../../../../src/os/place/place-files.ts'
import type { PlainFile } from '../../../../src/os/place/place-files.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { createSeededRandom } from '../../../fakes/random.ts'

const uid = process.geteuid?.() ?? 0
const random = createSeededRandom('place')
const RULES: PlaceRules = {
  uid,
  owner: { uid: undefined, gid: undefined },
  shared: false,
  unique: () => random.bytes(8).toString('hex'),
}
const OTHER = 65_534

const pair = (folder: string, word: string): readonly PlainFile[] => [
  { folder, name: 'tls.key', content: `key ${word}`, mode: 0o600 },
  { folder, name: 'tls.pem', content: `cert ${word}`, mode: 0o644 },
]
const read = (folder: string): readonly string[] =>
  ['tls.key', 'tls.pem'].map((name) => readFileSync(join(folder, name), 'utf8'))
const modeOf = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8)
const unwritable = (message: RegExp): object => ({ code: 'file_unwritable', message })

function needsRoot(t: TestContext): boolean {
  if (uid === 0) return false
  assert.notEqual(process.env['CI'], 'true', 'CI runs this as root')
  t.skip('needs root, to give files to another uid')
  return true
}

test('placeFiles writes files with their modes whatever the umask, and makes the folder', (t) => {
  const folder = join(temporaryFolder(t), 'a/tls')
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  assert.equal(placeFiles(pair(folder, '1'), RULES), true)
  assert.deepEqual(read(folder), ['key 1', 'cert 1'])
  assert.equal(modeOf(join(folder, 'tls.key')), '600')
  assert.equal(modeOf(join(folder, 'tls.pem')), '644')
  assert.equal(modeOf(folder), '755')
  assert.deepEqual(readdirSync(folder).sort(), ['tls.key', 'tls.pem'])
})

test('placeFiles touches nothing that is as wanted, and says whether anything was', (t) => {
  const folder = temporaryFolder(t)
  placeFiles(pair(folder, '1'), RULES)
  const old = new Date(0)
  for (const name of ['tls.key', 'tls.pem']) utimesSync(join(folder, name), old, old)
  const inodes = ['tls.key', 'tls.pem'].map((name) => statSync(join(folder, name)).ino)
  assert.equal(placeFiles(pair(folder, '1'), RULES), false)
  assert.deepEqual(
    ['tls.key', 'tls.pem'].map((name) => statSync(join(folder, name)).ino),
    inodes,
  )
  chmodSync(join(folder, 'tls.key'), 0o644)
  assert.equal(placeFiles(pair(folder, '1'), RULES), true, 'a mode is part of it')
  assert.equal(modeOf(join(folder, 'tls.key')), '600')
})

test('a pair that was left half replaced, by a crash between two renames, is put right, and what was half written goes', (t) => {
  const folder = temporaryFolder(t)
  placeFiles(pair(folder, '1'), RULES)
  placeFiles(pair(folder, '2').slice(0, 1), RULES)
  assert.deepEqual(read(folder), ['key 2', 'cert 1'], 'as after the crash')
  const leftOver = '.tls.key.0123456789abcdef.tmp'
  writeFileSync(join(folder, leftOver), 'key')
  const others = ['.tls.key.tmp', '.other.key.0123456789abcdef.tmp', 'tls.key.bak']
  for (const name of others) writeFileSync(join(folder, name), '')
  assert.equal(placeFiles(pair(folder, '2'), RULES), true)
  assert.deepEqual(read(folder), ['key 2', 'cert 2'])
  assert.deepEqual(readdirSync(folder).sort(), [...others, 'tls.key', 'tls.pem'].sort())
})

test('a fault before the renames leaves every file as it was, and nothing beside them', (t) => {
  const folder = temporaryFolder(t)
  placeFiles(pair(folder, '1'), RULES)
  mkdirSync(join(folder, 'ca.pem'))
  const files = [...pair(folder, '2'), { folder, name: 'ca.pem', content: 'ca', mode: 0o644 }]
  assert.throws(() => placeFiles(files, RULES), unwritable(/ca\.pem is a folder/))
  assert.deepEqual(read(folder), ['key 1', 'cert 1'])
  assert.deepEqual(readdirSync(folder).sort(), ['ca.pem', 'tls.key', 'tls.pem'])
})

test('what the file system refuses is told with the folder, and leaves everything as it was', (t) => {
  const folder = temporaryFolder(t)
  placeFiles(pair(folder, '1'), RULES)
  const long = 'x'.repeat(300)
  const files = [...pair(folder, '2'), { folder, name: long, content: '', mode: 0o600 }]
  assert.throws(() => placeFiles(files, RULES), {
    code: 'file_unwritable',
    message: `${folder} cannot be written to: ENAMETOOLONG (lstat)`,
  })
  assert.deepEqual(read(folder), ['key 1', 'cert 1'])
  assert.deepEqual(readdirSync(folder).sort(), ['tls.key', 'tls.pem'])
})

test('a link in the place of a file is replaced, and what it leads to is neither read nor written', (t) => {
  const folder = temporaryFolder(t)
  const target = join(temporaryFolder(t), 'shadow')
  writeFileSync(target, 'key 1')
  chmodSync(target, 0o600)
  symlinkSync(target, join(folder, 'tls.key'))
  assert.equal(placeFiles(pair(folder, '1'), RULES), true, 'equal content behind a link is not it')
  assert(lstatSync(join(folder, 'tls.key')).isFile())
  placeFiles(pair(folder, '2'), RULES)
  assert.equal(readFileSync(target, 'utf8'), 'key 1')
})

test('a folder that others may write, or that is reached by a link of theirs, is refused unless it is allowed', (t) => {
  const folder = temporaryFolder(t)
  const open = join(folder, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  const files = pair(open, '1')
  assert.throws(() => placeFiles(files, RULES), unwritable(/may be written by its group/))
  assert.deepEqual(readdirSync(open), [])
  assert.equal(placeFiles(files, { ...RULES, shared: true }), true)
  if (needsRoot(t)) return
  const elsewhere = temporaryFolder(t)
  symlinkSync(elsewhere, join(open, 'link'))
  const through = pair(join(open, 'link/tls'), '1')
  lchownSync(join(open, 'link'), OTHER, OTHER)
  assert.throws(
    () => placeFiles(through, { ...RULES, shared: true }),
    unwritable(/link belongs to uid 65534/),
  )
  assert.deepEqual(readdirSync(elsewhere), [])
})

test('the folder itself must not be a link', (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'real'))
  symlinkSync(join(folder, 'real'), join(folder, 'link'))
  assert.throws(
    () => placeFiles(pair(join(folder, 'link'), '1'), RULES),
    unwritable(/is a symbolic link/),
  )
})

test('files have their owner and group; the folder may be the owner’s too, those above it not', (t) => {
  if (needsRoot(t)) return
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o755)
  const own = join(folder, 'own')
  mkdirSync(own)
  chownSync(own, OTHER, OTHER)
  const rules = { ...RULES, owner: { uid: OTHER, gid: 4242 } }
  assert.throws(() => placeFiles(pair(own, '1'), RULES), unwritable(/belongs to uid 65534/))
  assert.equal(placeFiles(pair(own, '1'), rules), true)
  const { uid: owner, gid } = statSync(join(own, 'tls.key'))
  assert.deepEqual([owner, gid], [OTHER, 4242])
  assert.equal(placeFiles(pair(own, '1'), rules), false)
  chownSync(join(own, 'tls.key'), 0, 0)
  assert.equal(placeFiles(pair(own, '1'), rules), true, 'an owner is part of it')
  mkdirSync(join(own, 'inner'))
  const inner = pair(join(own, 'inner'), '1')
  assert.throws(() => placeFiles(inner, rules), unwritable(/own belongs to uid 65534/))
})
