import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasPidfdInfo, isHostPidNamespace } from '../../../../src/os/host/kernel.ts'
import {
  hasPtrace,
  maySeeExecutables,
  openFilesLimit,
} from '../../../../src/os/host/process-limits.ts'
import { openLibc } from '../../../../src/os/libc.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'
import { writeProcess } from '../../../fakes/process-files.ts'

test('hasPtrace reads CAP_SYS_PTRACE among the effective capabilities', (t) => {
  const proc = temporaryFolder(t)
  const status = (pid: number, effective: string): void =>
    void writeIn(
      proc,
      `${pid}/status`,
      `Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\n`,
    )
  status(1, '0000000000080000')
  status(2, '000001fffff7ffff')
  status(3, '000001ffffffffff')
  assert.deepEqual(
    [1, 2, 3, 4].map((pid) => hasPtrace(pid, proc)),
    [true, false, true, undefined],
  )
  assert.equal(typeof hasPtrace('self'), 'boolean')
})

test('openFilesLimit is the hard limit, to which the agent raises its own', (t) => {
  const proc = temporaryFolder(t)
  const limits = (pid: number, hard: string): void =>
    void writeIn(
      proc,
      `${pid}/limits`,
      `Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 ${hard}              files\n`,
    )
  limits(1, '4096')
  limits(2, 'unlimited')
  assert.deepEqual(
    [1, 2, 3].map((pid) => openFilesLimit(pid, proc)),
    [4096, 2 ** 30, undefined],
  )
  assert((openFilesLimit('self') ?? 0) >= 256)
})

test('maySeeExecutables tries it on a process of another user, and on no other', (t) => {
  const proc = temporaryFolder(t)
  const own = process.geteuid?.() ?? 0
  const uids = (uid: number): number[] => [uid, uid, uid, uid]
  writeProcess(proc, { pid: 10, uids: uids(own), exe: '/bin/sh' })
  assert.equal(maySeeExecutables(proc), undefined)
  writeProcess(proc, { pid: 11, uids: uids(own + 1) })
  assert.equal(maySeeExecutables(proc), undefined, 'a thread of the kernel executes nothing')
  writeProcess(proc, { pid: 12, uids: uids(own + 1), exe: '/bin/sh' })
  assert.equal(maySeeExecutables(proc), true)
})

test('isHostPidNamespace knows the first pid namespace by its number', (t) => {
  const proc = temporaryFolder(t)
  assert.equal(isHostPidNamespace(proc), undefined)
  for (const [number, isHost] of [
    ['4026531836', true],
    ['4026532999', false],
  ] as const) {
    const root = join(proc, number)
    writeIn(root, 'self/ns/other', '')
    symlinkSync(`pid:[${number}]`, join(root, 'self/ns/pid'))
    assert.equal(isHostPidNamespace(root), isHost)
  }
})

test('hasPidfdInfo asks the kernel, and takes no for an answer', () => {
  assert.equal(typeof hasPidfdInfo(openLibc()), 'boolean')
  assert.equal(hasPidfdInfo({ pidfdOpen: () => -38 }), false)
})
