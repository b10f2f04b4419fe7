import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { test } from 'node:test'
import { openLibc } from '../../../../src/os/libc.ts'
import { createExecutableLook } from '../../../../src/os/process/executable-look.ts'
import { executableIdentity } from '../../../../src/os/process/process.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'
import { writeProcess } from '../../../fakes/process-files.ts'

const libc = openLibc()

test('a look says of a real process what stat(2) says', () => {
  const look = createExecutableLook(libc)
  for (const { pid } of [process, { pid: process.ppid }]) {
    const same = { pid }
    const identity = executableIdentity(pid, '/proc')
    assert.deepEqual([look(same), look(same)], [identity, identity])
  }
})

test('a look sees each change of the program, and that it is as it was', (t) => {
  const procRoot = temporaryFolder(t)
  const exe = writeIn(procRoot, 'one', 'one')
  const other = writeIn(procRoot, 'other', 'one')
  const write = (path: string): void => writeProcess(procRoot, { pid: 7, exe: path })
  const look = createExecutableLook(libc, procRoot)
  const process = { pid: 7 }
  const seen: (string | undefined)[] = []
  const see = (): void => {
    seen.push(look(process))
    assert.equal(seen.at(-1), executableIdentity(7, procRoot))
  }
  write(exe)
  see()
  write(other)
  see()
  assert.notEqual(seen[1], seen[0], 'another file')
  write(exe)
  see()
  assert.equal(seen[2], seen[0], 'the first again')
  writeFileSync(exe, 'longer')
  see()
  assert.notEqual(seen[3], seen[0], 'written to')
  renameSync(writeIn(procRoot, 'next', 'longer'), exe)
  see()
  assert.notEqual(seen[4], seen[3], 'another in its place')
  write('/nowhere')
  assert.throws(see, { code: 'ENOENT' })
})

test('a look keeps processes apart, those of one program too', (t) => {
  const procRoot = temporaryFolder(t)
  const programs = ['one', 'other', 'one'].map((name) => writeIn(procRoot, name, name))
  programs.forEach((exe, index) => writeProcess(procRoot, { pid: 70 + index, exe }))
  const look = createExecutableLook(libc, procRoot)
  const processes = programs.map((_, index) => ({ pid: 70 + index }))
  const expected = processes.map(({ pid }) => executableIdentity(pid, procRoot))
  for (let round = 0; round < 3; round++) assert.deepEqual(processes.map(look), expected)
  const [one, other, same] = expected
  assert.deepEqual([one === same, one === other], [true, false])
  writeProcess(procRoot, { pid: 70, exe: programs[1]! })
  assert.deepEqual(processes.map(look), [other, other, same])
})

test('a look where statx is not to be had is one by other means', (t) => {
  const procRoot = temporaryFolder(t)
  writeProcess(procRoot, { pid: 7, exe: writeIn(procRoot, 'one', 'one') })
  const look = createExecutableLook({ statx: () => -constants.errno.EPERM }, procRoot)
  assert.equal(look({ pid: 7 }), executableIdentity(7, procRoot))
})

test('a look puts a device together as fs.Stats does, and keeps all of each number', () => {
  const words: Readonly<Record<number, number>> = {
    8: 0xffff_ffff, // ino
    9: 1,
    10: 5, // size
    24: 7, // ctime
    26: 999_999_999,
    28: 0xffff_ffff, // mtime, a second before 1970
    29: 0xffff_ffff,
    34: 0x12345, // device
    35: 0x6789a,
  }
  const statx = (_: Buffer, out: Buffer): number => {
    for (const [at, word] of Object.entries(words)) out.writeUInt32LE(word, Number(at) * 4)
    return 0
  }
  const identity = [0x12_0006_7834_59an, 0x1_ffff_ffffn, 5n, -1_000_000_000n, 7_999_999_999n]
  assert.equal(createExecutableLook({ statx })({ pid: 7 }), identity.join(':'))
})
