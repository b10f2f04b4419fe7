import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { signalByPidFile } from '../../../../src/os/program/pid-file.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'

const uid = process.geteuid?.() ?? 0
const OTHER = 65_534
const signal = (pidFile: string): number => signalByPidFile(pidFile, { name: 'SIGUSR1', uid })
const failed = (message: RegExp): object => ({ code: 'after_failed', message })

interface Sleeper {
  readonly pid: number
  readonly ended: Promise<unknown[]>
}

async function sleeper(t: TestContext, as?: number): Promise<Sleeper> {
  const child = spawn('/bin/sleep', ['60'], {
    stdio: 'ignore',
    cwd: '/',
    ...(as !== undefined && { uid: as, gid: as }),
  })
  const ended = once(child, 'exit')
  await once(child, 'spawn')
  t.after(() => child.kill('SIGKILL'))
  return { pid: child.pid ?? 0, ended }
}

function pidFile(t: TestContext, text: string, mode = 0o644): string {
  const path = join(temporaryFolder(t), 'x.pid')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

test('signalByPidFile signals the process its first line names, as nginx and PostgreSQL write it', async (t) => {
  for (const more of ['', '\n', '\n/var/lib/postgresql/data\n5432\n']) {
    const { pid, ended } = await sleeper(t)
    assert.equal(signal(pidFile(t, `${pid}${more}`)), pid)
    assert.deepEqual(await ended, [null, 'SIGUSR1'])
  }
})

test('signalByPidFile signals nobody when the file is missing, no number, or names nobody', (t) => {
  assert.throws(() => signal(join(temporaryFolder(t), 'none')), failed(/cannot be read.*ENOENT/))
  for (const text of ['', 'nginx', '-1', '0', '1 2', '12345678901'])
    assert.throws(() => signal(pidFile(t, text)), failed(/does not begin with the number/))
  assert.throws(() => signal(pidFile(t, `${process.pid}`)), failed(/names this very process/))
  assert.throws(() => signal(pidFile(t, '4194303')), failed(/which is not there/))
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'x'))
  assert.throws(() => signal(join(folder, 'x')), failed(/is not a file/))
})

test('signalByPidFile signals nobody for a file that others may write', async (t) => {
  const { pid } = await sleeper(t)
  for (const mode of [0o666, 0o664])
    assert.throws(() => signal(pidFile(t, `${pid}`, mode)), failed(/may be written/))
})

test('the user of a process may say that it is signalled, and nobody else’s', async (t) => {
  if (uid !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI runs this as root')
    return t.skip('needs root, to give files to another uid')
  }
  const mine = await sleeper(t)
  const theirs = await sleeper(t, OTHER)
  const file = pidFile(t, `${mine.pid}`)
  chownSync(file, OTHER, OTHER)
  assert.throws(() => signal(file), failed(/belongs to uid 65534, who may not say/))
  writeFileSync(file, `${theirs.pid}`)
  assert.equal(signal(file), theirs.pid)
  assert.deepEqual(await theirs.ended, [null, 'SIGUSR1'])
})
