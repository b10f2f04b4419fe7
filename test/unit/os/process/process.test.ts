import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { fstatSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { readStartTime, readStatus, withProcess } from '../../../../src/os/process/process.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'
import { writeProcess } from '../../../fakes/process-files.ts'

test('withProcess reads this process as it is, and closes the executable after its use', async () => {
  let fd = -1
  await withProcess(process.pid, '/proc', async (reading) => {
    assert.equal(reading.euid, process.geteuid?.())
    assert.equal(reading.egid, process.getegid?.())
    assert(typeof reading.executable !== 'string')
    fd = reading.executable.fd
    assert.equal(reading.executable.path, process.execPath)
    assert.equal(reading.executable.ino, statSync(process.execPath, { bigint: true }).ino)
    return Promise.resolve()
  })
  assert.throws(() => fstatSync(fd), { code: 'EBADF' })
})

test('withProcess closes the executable when its use fails', async () => {
  let fd = -1
  const failing = withProcess(process.pid, '/proc', async (reading) => {
    if (typeof reading.executable !== 'string') fd = reading.executable.fd
    return Promise.reject(new Error('no'))
  })
  await assert.rejects(failing, { message: 'no' })
  assert.throws(() => fstatSync(fd), { code: 'EBADF' })
})

test('a command name made to look like fields or lines changes nothing that is read', (t) => {
  const procRoot = temporaryFolder(t)
  const name = ') S 1 1\nUid:\t0\t0\t0\t0'
  writeProcess(procRoot, { pid: 7, name, startTime: '4711', uids: [1, 2, 3, 4], groups: [9, 8] })
  assert.equal(readStartTime(7, procRoot), '4711')
  assert.deepEqual(readStatus(7, procRoot), { euid: 2, egid: 1002, groups: [9, 8] })
})

test('withProcess says peer_gone for a process that ended or executes nothing any more', async (t) => {
  const procRoot = temporaryFolder(t)
  writeProcess(procRoot, { pid: 7 })
  for (const pid of [7, 8]) {
    await assert.rejects(
      withProcess(pid, procRoot, () => Promise.resolve()),
      { code: 'peer_gone' },
    )
  }
})

test('the identity of an executable changes when it is rewritten with size and mtime kept', async (t) => {
  const procRoot = temporaryFolder(t)
  const exe = writeIn(procRoot, 'program', 'one')
  writeProcess(procRoot, { pid: 7, exe })
  const identity = (): Promise<string> =>
    withProcess(7, procRoot, async ({ executable }) => {
      assert(typeof executable !== 'string')
      return Promise.resolve(executable.identity)
    })
  const before = await identity()
  const times = (): { mtimeNs: bigint; ctimeNs: bigint } => statSync(exe, { bigint: true })
  const { mtimeNs, ctimeNs } = times()
  const sameTimes = writeIn(procRoot, 'times', '')
  execFileSync('touch', ['-r', exe, sameTimes])
  // Until the file system's clock has moved on.
  for (let tries = 0; tries < 100 && times().ctimeNs === ctimeNs; tries++) {
    writeIn(procRoot, 'program', 'two')
    execFileSync('touch', ['-r', sameTimes, exe])
  }
  assert.equal(times().mtimeNs, mtimeNs)
  assert.notEqual(await identity(), before)
})
