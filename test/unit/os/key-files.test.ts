import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openCaFiles } from '../../../src/os/key-files.ts'
import type { CaFiles } from '../../../src/os/key-files.ts'
import { createManualClock } from '../../fakes/clock.ts'
import type { ManualClock } from '../../fakes/clock.ts'

interface Setting {
  readonly clock: ManualClock
  readonly files: CaFiles
  readonly pkcs12File: string
  readonly passwordFile: string
}

function setting(t: TestContext): Setting {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-key-files-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const pkcs12File = join(folder, 'ca.p12')
  const passwordFile = join(folder, 'password')
  writeFileSync(pkcs12File, Buffer.from([0x30, 0x82, 0xff, 0x00]))
  writeFileSync(passwordFile, 'word\n', { mode: 0o640 })
  const clock = createManualClock()
  const files = openCaFiles({ pkcs12File, passwordFile, bundleFile: undefined }, clock)
  return { clock, files, pkcs12File, passwordFile }
}

test('openCaFiles: reads a PKCS#12 file as bytes, and the password with its mode and without the newline at its end', (t) => {
  const { files, passwordFile } = setting(t)
  const read = files.read()
  assert('pkcs12File' in read)
  assert.deepEqual(read.pkcs12File, Buffer.from([0x30, 0x82, 0xff, 0x00]))
  assert.equal(read.passwordFileMode & 0o777, 0o640)
  for (const [written, password] of [
    ['word\n', 'word'],
    ['word\r\n', 'word'],
    ['word', 'word'],
    [' word \n\n', ' word \n'],
    ['\n', ''],
    ['', ''],
    ['wörd\n', 'wörd'],
  ] as const) {
    writeFileSync(passwordFile, written)
    const again = files.read()
    assert.equal('password' in again && again.password, password)
  }
})

test('openCaFiles: names the file that is missing, is not UTF-8, or is no password', (t) => {
  const { files, pkcs12File, passwordFile } = setting(t)
  const fault = (said: RegExp) => ({ code: 'config_invalid', message: said })
  writeFileSync(passwordFile, Buffer.from([0xff, 0xfe]))
  assert.throws(() => files.read(), fault(/password is not UTF-8$/))
  writeFileSync(passwordFile, 'x'.repeat(5_000))
  assert.throws(() => files.read(), fault(/password cannot be read: .*larger than/))
  rmSync(pkcs12File)
  assert.throws(() => files.read(), fault(/ca\.p12 cannot be read/))
})

test('openCaFiles: tells of each change of the PKCS#12 file and of the password', async (t) => {
  const { clock, files, pkcs12File, passwordFile } = setting(t)
  let told = 0
  const stop = files.watch(() => (told += 1))
  t.after(stop)
  let byte = 0x80
  for (const change of [
    // Bytes that are no text, twice: the second is no less of a change.
    () => writeFileSync(pkcs12File, Buffer.from([byte++, 0xff])),
    () => writeFileSync(pkcs12File, Buffer.from([byte++, 0xff])),
    () => writeFileSync(passwordFile, 'other\n'),
  ]) {
    const before = told
    change()
    await clock.advance(2_000)
    assert.equal(told, before + 1)
  }
  chmodSync(passwordFile, 0o600)
  await clock.advance(10_000)
  assert.equal(told, 3, 'the same content is no change')
})
