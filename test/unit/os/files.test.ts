import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { appendFileSync, openSync, closeSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { chmodSync, constants, mkdirSync, symlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  atomicWrite,
  readLimited,
  readToEnd,
  readWithMode,
  removeTemporaries,
  sha256OfOpenFile,
} from '../../../src/os/files.ts'
import { temporaryFolder, writeIn } from '../../fakes/folder.ts'

const O_PATH = 0o10000000

test('atomicWrite replaces the content with the mode asked for, whatever the umask, and leaves nothing beside it', async (t) => {
  const folder = temporaryFolder(t)
  const path = writeIn(folder, 'state', 'old')
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  await atomicWrite(path, 'new', 0o644)
  assert.equal(readFileSync(path, 'utf8'), 'new')
  assert.equal(statSync(path).mode & 0o777, 0o644)
  await atomicWrite(path, Buffer.from([1, 2]), 0o600)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(folder), ['state'])
})

test('atomicWrite replaces a symbolic link instead of writing through it', async (t) => {
  const folder = temporaryFolder(t)
  const target = writeIn(folder, 'target', 'kept')
  symlinkSync(target, join(folder, 'link'))
  await atomicWrite(join(folder, 'link'), 'new', 0o600)
  assert.equal(readFileSync(target, 'utf8'), 'kept')
})

test('atomicWrite that fails leaves what was there and no temporary file', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'taken/by'), { recursive: true })
  await assert.rejects(atomicWrite(join(folder, 'taken'), 'x', 0o600), { code: 'EISDIR' })
  assert.deepEqual(readdirSync(folder), ['taken'])
})

test('readLimited reads up to the limit and refuses one byte more', (t) => {
  const folder = temporaryFolder(t)
  const text = 'x'.repeat(200_000)
  const path = writeIn(folder, 'file', text)
  assert.equal(readLimited(path, 200_000).toString(), text)
  assert.throws(() => readLimited(path, 199_999), {
    code: 'config_invalid',
    message: /larger than 199999/,
  })
  assert.throws(() => readLimited(join(folder, 'none'), 1), { code: 'ENOENT' })
})

test('readLimited refuses a FIFO and a folder without waiting for a writer', (t) => {
  const folder = temporaryFolder(t)
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  for (const path of [fifo, folder]) {
    assert.throws(() => readLimited(path, 10), { message: /is not a file/ })
  }
})

test('readToEnd reads a file or a pipe to its end, up to the limit, and no folder', async (t) => {
  const folder = temporaryFolder(t)
  const text = 'x'.repeat(200_000)
  const file = writeIn(folder, 'file', text)
  assert.equal((await readToEnd(file, text.length)).toString(), text)
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const [piped] = await Promise.all([readToEnd(fifo, text.length), writeFile(fifo, text)])
  assert.equal(piped.toString(), text)
  const refuses = (path: string, most: number) =>
    assert.rejects(readToEnd(path, most), { code: 'config_invalid' })
  await refuses(file, text.length - 1)
  await refuses('/dev/zero', 100)
  await refuses(folder, 100)
  await assert.rejects(readToEnd(join(folder, 'none'), 100), { code: 'ENOENT' })
})

test('readWithMode gives the mode of the very file it read, and follows no link if told so', (t) => {
  const folder = temporaryFolder(t)
  const path = writeIn(folder, 'key', 'secret')
  chmodSync(path, 0o640)
  const { content, mode } = readWithMode(path, 10)
  assert.deepEqual([content.toString(), mode], ['secret', 0o640])
  symlinkSync(path, join(folder, 'link'))
  assert.equal(readWithMode(join(folder, 'link'), 10).mode, 0o640)
  assert.throws(() => readWithMode(join(folder, 'link'), 10, constants.O_NOFOLLOW), {
    code: 'ELOOP',
  })
})

test('removeTemporaries removes what a killed atomicWrite left, and nothing else', (t) => {
  const folder = temporaryFolder(t)
  for (const name of [`.${randomUUID()}.tmp`, `.${randomUUID()}.tmp`, '.tmp', 'a.tmp', '.lock'])
    writeIn(folder, name, 'half')
  removeTemporaries(folder)
  assert.deepEqual(readdirSync(folder).sort(), ['.lock', '.tmp', 'a.tmp'])
})

test('sha256OfOpenFile hashes the file behind an O_PATH descriptor, of several slices, after its name was reused', async (t) => {
  const folder = temporaryFolder(t)
  const content = Buffer.alloc(3 * 1024 * 1024 + 5, 'spindle')
  const path = writeIn(folder, 'program', content.toString())
  const fd = openSync(path, O_PATH)
  t.after(() => closeSync(fd))
  await atomicWrite(path, 'another', 0o755)
  assert.equal(await sha256OfOpenFile(fd), createHash('sha256').update(content).digest('hex'))
})

test('sha256OfOpenFile gives no digest of a file that changed meanwhile', async (t) => {
  const path = writeIn(temporaryFolder(t), 'program', 'x'.repeat(3 * 1024 * 1024))
  const fd = openSync(path, O_PATH)
  t.after(() => closeSync(fd))
  const digest = sha256OfOpenFile(fd)
  appendFileSync(path, 'y')
  assert.equal(await digest, undefined)
})
