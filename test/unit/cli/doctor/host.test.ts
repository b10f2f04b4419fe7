import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { hostVerdicts } from '../../../../src/cli/doctor/host.ts'
import type { RunningAgent, Setting } from '../../../../src/cli/doctor/setting.ts'
import type { Verdict } from '../../../../src/cli/doctor/verdict.ts'
import type { AgentConfig } from '../../../../src/config/agent-config.ts'
import { startChild } from '../../../../src/os/child.ts'
import { openLibc } from '../../../../src/os/libc.ts'
import type { Registry } from '../../../../src/registration/match.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { createManualClock } from '../../../fakes/clock.ts'

const SETTING: Setting = {
  config: undefined,
  registry: undefined,
  running: undefined,
  libc: openLibc(),
  uid: 0,
  clock: systemClock,
}

async function verdict(check: string, setting: Partial<Setting> = {}): Promise<Verdict> {
  const found = (await hostVerdicts({ ...SETTING, ...setting })).filter(
    (one) => one.check === check,
  )
  assert.equal(found.length, 1, check)
  return found[0]!
}

test('hostVerdicts has a verdict on kernel, rights, pid namespace, clock and limits', async () => {
  const checks = (await hostVerdicts(SETTING)).map(({ check }) => check)
  assert.deepEqual(checks, [
    'kernel',
    'pidfd info',
    'executables',
    'pid namespace',
    'clock',
    'descriptors',
  ])
  const { level, detail } = await verdict('kernel')
  if (level === 'ok')
    assert.match(detail, /^Linux \d.*SO_PEERPIDFD, tried here, name the calling process/)
  assert.equal((await verdict('pidfd info')).level, 'ok', 'nothing needs it')
})

test('hostVerdicts fails a machine whose calls cannot be made', async () => {
  const { level, todo } = await verdict('kernel', { libc: undefined })
  assert.equal(level, 'fail')
  assert.match(todo, /Linux 6\.5/)
})

test('hostVerdicts fails a kernel that cannot name callers, unless less is preferred', async () => {
  const libc = openLibc()
  // Linux before 6.5 answers ENOPROTOOPT (92) to SO_PEERPIDFD (77).
  const old = {
    ...libc,
    getsockopt: (fd: number, option: number, out: Buffer): number =>
      option === 77 ? -92 : libc.getsockopt(fd, option, out),
  }
  const config = (pidfd: string): AgentConfig =>
    ({ attestation: { pidfd }, limits: {} }) as unknown as AgentConfig
  assert.equal((await verdict('kernel', { libc: old })).level, 'fail')
  assert.equal((await verdict('kernel', { libc: old, config: config('required') })).level, 'fail')
  const less = await verdict('kernel', { libc: old, config: config('preferred') })
  assert.deepEqual([less.level, /opened-pidfd/.test(less.detail)], ['warn', true])
})

test('hostVerdicts knows a clock that cannot be right', async () => {
  const at = async (...date: [number, number]): Promise<string> =>
    (await verdict('clock', { clock: createManualClock({ now: Date.UTC(...date) }) })).level
  assert.equal(await at(1970, 0), 'fail')
  assert.equal(await at(2020, 0), 'fail', 'before this program was there')
  assert.equal(await at(2099, 11), 'ok')
  assert.equal(await at(2100, 0), 'fail')
  assert.match((await verdict('clock')).detail, /cannot be told from here/)
})

/** An agent of a user without rights. */
async function unprivileged(t: TestContext): Promise<RunningAgent> {
  if (process.geteuid?.() !== 0) return { pid: process.pid } as RunningAgent
  // Not Node: where root's checkout is in a folder that is closed to others, they cannot run it.
  const child = await startChild('/bin/sleep', ['1000'], { uid: 4242, gid: 4242, cwd: '/' })
  t.after(() => child.stop())
  return { pid: child.pid } as RunningAgent
}

test('hostVerdicts fails an agent that may not look at executables where entries ask for them', async (t) => {
  const running = await unprivileged(t)
  const registry = (kind: string): Registry => ({ kinds: new Set([kind]) }) as unknown as Registry
  assert.equal((await verdict('executables', { running })).level, 'warn')
  const uid = await verdict('executables', { running, registry: registry('unix:uid') })
  assert.equal(uid.level, 'warn')
  const path = await verdict('executables', { running, registry: registry('unix:path') })
  assert.equal(path.level, 'fail')
  assert.match(path.detail, /entries ask for unix:path: they match nobody/)
  assert.match(path.todo, /CAP_SYS_PTRACE/)
})

test('hostVerdicts warns of an agent whose pids are not ours, and of limits that are never reached', async () => {
  const running = { pid: undefined } as RunningAgent
  assert.equal((await verdict('pid namespace', { running })).level, 'warn')
  const limits = { connectionsPerUid: 10_000_000 }
  const config = { attestation: { pidfd: 'preferred' }, limits } as unknown as AgentConfig
  const found = await verdict('descriptors', { config })
  assert.equal(found.level, 'warn')
  if (/more than there are/.test(found.detail))
    assert.equal(found.where, 'limits.connectionsPerUid')
  assert.match(
    (await verdict('descriptors')).detail,
    /^the hard limit is \d+: \d+ connections, \d+ of one uid/,
  )
})
