import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { RunningAgent, Setting } from '../../../../src/cli/doctor/setting.ts'
import { httpVerdict, socketVerdicts, stateVerdict } from '../../../../src/cli/doctor/sockets.ts'
import type { Verdict } from '../../../../src/cli/doctor/verdict.ts'
import type { AgentConfig } from '../../../../src/config/agent-config.ts'
import { openLibc } from '../../../../src/os/libc.ts'
import { listenUnix } from '../../../../src/os/listen.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'

const libc = openLibc()
const uid = process.geteuid?.() ?? 0
const RUNNING = { status: { httpAddress: '127.0.0.1:9' } } as unknown as RunningAgent

function setting(config: object = {}, running?: RunningAgent): Setting {
  const parts = { registry: undefined, libc, uid, clock: systemClock, running }
  return { ...parts, config: config as AgentConfig }
}

/** A folder that every user may enter, with a place for each socket in it. */
function places(t: TestContext) {
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o755)
  return { socket: join(folder, 'agent.sock'), adminSocket: join(folder, 'admin/admin.sock') }
}

async function socketChecks(
  paths: { readonly socket: string; readonly adminSocket: string },
  running?: RunningAgent,
): Promise<readonly string[]> {
  const verdicts = await socketVerdicts(setting({}, running), paths)
  return verdicts.map(({ check, level, detail }) => `${level} ${check}: ${detail}`)
}

test('socketVerdicts of a machine without an agent: all is made at its start', async (t) => {
  const found = await socketChecks(places(t))
  assert.equal(found.length, 4)
  for (const text of found) assert.match(text, /^ok /)
  assert.match(found[1] ?? '', /is not there; the agent makes it/)
  assert.match(found[2] ?? '', /admin socket folder: is not there yet; the agent makes it/)
})

test('socketVerdicts tells a socket that is served, by the agent or by another, from one that is left over', async (t) => {
  const paths = places(t)
  const listener = await listenUnix(libc, paths.socket, { mode: 0o777 })
  assert.match((await socketChecks(paths, RUNNING))[1] ?? '', /^ok socket: is served by the agent/)
  assert.match((await socketChecks(paths))[1] ?? '', /^warn socket: is served, by an agent that/)
  listener.close()
  assert.match((await socketChecks(paths))[1] ?? '', /^ok socket: is left over/)
})

test('socketVerdicts fails what a start would fail on', async (t) => {
  const paths = places(t)
  const socketOf = async (socket: string, running?: RunningAgent): Promise<string> =>
    (await socketChecks({ ...paths, socket }, running)).find((text) => / socket: /.test(text)) ?? ''
  const folder = join(paths.socket, '..')
  assert.match(await socketOf(writeIn(folder, 'file', '')), /^fail .* is no socket/)
  symlinkSync('/nowhere/at-all', join(folder, 'link'))
  assert.match(await socketOf(join(folder, 'link')), /^fail .* a link that leads nowhere/)
  assert.match(await socketOf(paths.socket, RUNNING), /^fail .* is gone, though an agent runs/)
  assert.match(await socketOf(`/${'x'.repeat(107)}`), /^fail .* 107/)
  const open = join(folder, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  const verdicts = await socketChecks({ ...paths, socket: join(open, 'agent.sock') })
  assert.match(verdicts[0] ?? '', /^fail socket folder: .*chmod go-w/)
})

test('socketVerdicts warns of a folder that Envoys of other users cannot enter', async (t) => {
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o710)
  const paths = { socket: join(folder, 'run/agent.sock'), adminSocket: join(folder, 'a/b') }
  mkdirSync(join(folder, 'run'))
  chmodSync(join(folder, 'run'), 0o755)
  const closed = (await socketVerdicts(setting(), paths)).find(({ todo }) =>
    /chmod o\+x/.test(todo),
  )
  assert.equal(closed?.level, 'warn')
  assert.equal(closed?.todo, `Run chmod o+x ${folder}.`)
})

const only = (verdicts: readonly Verdict[]): string => {
  assert.equal(verdicts.length, 1)
  return `${verdicts[0]?.level} ${verdicts[0]?.detail}`
}

test('stateVerdict wants a folder of the agent alone', (t) => {
  const stateDir = join(temporaryFolder(t), 'state')
  const verdict = (): string => only(stateVerdict(setting({ stateDir })))
  assert.match(verdict(), /^ok is not there yet/)
  mkdirSync(stateDir)
  chmodSync(stateDir, 0o700)
  assert.match(verdict(), /^ok belongs to uid \d+, mode 0700/)
  chmodSync(stateDir, 0o750)
  assert.match(verdict(), /^warn has mode 0750/)
  chmodSync(stateDir, 0o770)
  assert.match(verdict(), /^fail .*go-w/)
  if (uid !== 0) return
  chmodSync(stateDir, 0o700)
  chownSync(stateDir, 4242, 4242)
  assert.match(verdict(), /^fail .*belongs to uid 4242/)
  assert.deepEqual(stateVerdict({ ...setting(), config: undefined }), [])
})

test('httpVerdict tells a port that is taken from one that is free, and from one the agent serves', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const http = { host: '127.0.0.1', port }
  assert.match(
    only(await httpVerdict(setting({ http }))),
    /^fail cannot be listened on \(EADDRINUSE\)/,
  )
  assert.match(only(await httpVerdict(setting({ http }, RUNNING))), /^ok is served by the agent/)
  assert.match(only(await httpVerdict(setting({ http: { ...http, port: 0 } }))), /^ok is free/)
  assert.match(only(await httpVerdict(setting({ http: undefined }))), /^ok is switched off/)
})
