/** The units of examples/systemd are ones that systemd takes without a word, and let their programs do little. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { BY_PATH, ROOT } from '../docs/pages.ts'

const FOLDER = join(ROOT, 'examples/systemd')
const UNIT = join(FOLDER, 'spindle-agent.service')
const SERVER_UNIT = join(FOLDER, 'spindle-server.service')
const FILES_UNIT = join(FOLDER, 'spindle-files@.service')
/** 0 is nothing exposed, 10 everything; below 2 `systemd-analyze` calls it good. */
const MOST_EXPOSED = 1.7

function run(t: TestContext, command: string, ...args: readonly string[]): string | undefined {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (error !== undefined && process.env['CI'] !== 'true') {
    t.skip(`needs ${command} (Debian: systemd)`)
    return undefined
  }
  assert.equal(status, 0, `${error ?? ''}${stdout}${stderr}`)
  return stdout + stderr
}

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-systemd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('systemd-analyze verify finds nothing in the unit of the agent', (t) => {
  verify(t, UNIT, 'spindle-agent.service')
})

test('systemd-analyze verify finds nothing in the unit of the server', (t) => {
  verify(t, SERVER_UNIT, 'spindle-server.service')
})

test('systemd-analyze verify finds nothing in the unit of spindle files', (t) => {
  verify(t, FILES_UNIT, 'spindle-files@root.service')
})

function verify(t: TestContext, unit: string, name: string): void {
  const folder = scratch(t)
  const copy = join(folder, name)
  // It looks whether the program is there.
  const text = readFileSync(unit, 'utf8').replace('/usr/local/bin/spindle', process.execPath)
  writeFileSync(copy, text)
  const said = run(t, 'systemd-analyze', 'verify', '--man=no', copy)
  if (said !== undefined) assert.equal(said, '')
  writeFileSync(copy, text.replace('ProtectClock=yes', 'ProtectClok=yes'))
  const wrong = spawnSync('systemd-analyze', ['verify', '--man=no', copy], { encoding: 'utf8' })
  if (said !== undefined) assert.match(wrong.stderr, /ProtectClok/, 'it would find a fault')
}

test('systemd-analyze security scores each unit as little exposed', (t) => {
  const most = `--threshold=${MOST_EXPOSED * 10}`
  for (const unit of [UNIT, SERVER_UNIT, FILES_UNIT]) {
    const said = run(t, 'systemd-analyze', 'security', '--offline=true', most, unit)
    if (said !== undefined) assert.match(said, /Overall exposure level .*: \d\.\d OK/)
  }
})

test('systemd-sysusers makes the user of the unit', (t) => {
  const folder = scratch(t)
  mkdirSync(join(folder, 'etc'))
  const said = run(t, 'systemd-sysusers', `--root=${folder}`, join(FOLDER, 'sysusers.conf'))
  if (said === undefined) return
  const users = readFileSync(join(folder, 'etc/passwd'), 'utf8')
  assert.match(users, /^spindle:x:\d+:\d+:Spindle agent:\/var\/lib\/spindle:\S*nologin$/m)
})

test('docs/install.md gives the reason for each directive that is left open', () => {
  const { text } = BY_PATH.get('docs/install.md')!
  const open = Array.from(
    readFileSync(UNIT, 'utf8').matchAll(/^# {3}(\w+=) /gm),
    ([, directive = '']) => directive,
  )
  assert(open.length >= 4, 'the unit lists them')
  const relaxed = ['AmbientCapabilities=', 'RestrictAddressFamilies=', 'Type=exec', ...open]
  assert.deepEqual(
    relaxed.filter((directive) => !text.includes(`| \`${directive}`)),
    [],
  )
})
