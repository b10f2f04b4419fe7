import assert from 'node:assert/strict'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PlaceRules } from '../../../../src/os/place/open-folder.ts'
import { swapFolder } from '../../../../src/os/place/swap-folder.ts'
import type { PlacedFile } from '../../../../src/os/place/staged-file.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { createSeededRandom } from '../../../fakes/random.ts'

const random = createSeededRandom('swap')
const RULES: PlaceRules = {
  uid: process.geteuid?.() ?? 0,
  owner: { uid: undefined, gid: undefined },
  shared: false,
  unique: () => random.bytes(8).toString('hex'),
}
const file = (name: string, content: string, mode = 0o644): PlacedFile => ({ name, content, mode })
const pair = (word: string): readonly PlacedFile[] => [
  file('tls.key', `key ${word}`, 0o600),
  file('tls.pem', `cert ${word}`),
]
const swap = (path: string, files: readonly PlacedFile[]): boolean => swapFolder(path, files, RULES)
const text = (...path: readonly string[]): string => readFileSync(join(...path), 'utf8')
const generations = (path: string): readonly string[] =>
  readdirSync(path).filter((name) => /^\.\.[0-9a-f]{16}$/.test(name))

test('swapFolder makes files that are reached through ..data, as in volumes of Kubernetes', (t) => {
  const path = join(temporaryFolder(t), 'svid')
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  assert.equal(swap(path, pair('1')), true)
  assert.equal(text(path, 'tls.key'), 'key 1')
  assert.equal(readlinkSync(join(path, 'tls.key')), '..data/tls.key')
  const generation = join(path, readlinkSync(join(path, '..data')))
  assert.equal((lstatSync(generation).mode & 0o7777).toString(8), '755')
  assert.equal((lstatSync(join(generation, 'tls.key')).mode & 0o7777).toString(8), '600')
  assert.deepEqual(readdirSync(path).length, 4)
})

test('swapFolder changes all files in one step, and whoever has followed the link goes on with those of before', (t) => {
  const path = join(temporaryFolder(t), 'svid')
  swap(path, pair('1'))
  const held = realpathSync(join(path, '..data'))
  assert.equal(swap(path, pair('2')), true)
  assert.deepEqual([text(path, 'tls.key'), text(path, 'tls.pem')], ['key 2', 'cert 2'])
  assert.deepEqual([text(held, 'tls.key'), text(held, 'tls.pem')], ['key 1', 'cert 1'])
  assert.equal(swap(path, pair('3')), true)
  assert.throws(() => text(held, 'tls.key'), { code: 'ENOENT' })
  assert.equal(generations(path).length, 2)
})

test('swapFolder touches nothing that is as wanted', (t) => {
  const path = join(temporaryFolder(t), 'svid')
  swap(path, pair('1'))
  const before = readlinkSync(join(path, '..data'))
  assert.equal(swap(path, pair('1')), false)
  assert.equal(readlinkSync(join(path, '..data')), before)
  chmodSync(join(path, 'tls.key'), 0o640)
  assert.equal(swap(path, pair('1')), true, 'a mode is part of it')
  assert.notEqual(readlinkSync(join(path, '..data')), before)
})

test('names that are not wanted any more go, and what is not of our making stays', (t) => {
  const path = join(temporaryFolder(t), 'partners')
  swap(path, [file('a.test.pem', 'a'), file('b.test.pem', 'b')])
  writeFileSync(join(path, 'README'), 'mine')
  mkdirSync(join(path, '..other'))
  assert.equal(swap(path, [file('b.test.pem', 'b')]), true)
  assert.deepEqual(
    readdirSync(path).filter((name) => !/^\.\.(?:data|[0-9a-f]{16})$/.test(name)),
    ['..other', 'README', 'b.test.pem'],
  )
  assert.equal(swap(path, []), true)
  assert(!readdirSync(path).includes('b.test.pem'))
  assert.equal(swap(path, []), false)
})

test('after a kill at any point the next run makes it whole and leaves nothing over', (t) => {
  const path = join(temporaryFolder(t), 'svid')
  swap(path, pair('1'))
  // A generation half written, a link made and not yet renamed, and a name that is still a file of before.
  mkdirSync(join(path, '..00000000deadbeef'))
  writeFileSync(join(path, '..00000000deadbeef', 'tls.key'), 'key')
  writeFileSync(join(path, '.tls.pem.00000000deadbeef.tmp'), '')
  writeFileSync(join(path, '...data.00000000deadbeef.tmp'), '')
  swap(path, pair('2'))
  assert.deepEqual([text(path, 'tls.key'), text(path, 'tls.pem')], ['key 2', 'cert 2'])
  assert.deepEqual(readdirSync(path).length, 5, readdirSync(path).join(' '))
})

test('plain files of before become links, and a folder in the place of a file is refused', (t) => {
  const path = temporaryFolder(t)
  writeFileSync(join(path, 'tls.key'), 'key 1')
  swap(path, pair('1'))
  assert(lstatSync(join(path, 'tls.key')).isSymbolicLink())
  mkdirSync(join(path, 'ca.pem'))
  assert.throws(() => swap(path, [...pair('2'), file('ca.pem', 'ca')]), {
    code: 'file_unwritable',
    message: /ca\.pem is a folder/,
  })
  assert.equal(text(path, 'tls.key'), 'key 1')
})
