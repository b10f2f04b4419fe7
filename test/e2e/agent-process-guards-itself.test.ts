// S04 and S06 of docs/faults.md.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { status } from '@grpc/grpc-js'
import { stringify } from 'yaml'
import { startChild } from '../../src/os/child.ts'
import { spindle } from './rig/command.ts'
import type { CommandResult } from './rig/command.ts'
import { createRig, eventually } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'
import type { Rig } from './rig/rig.ts'
import { createSdsCaller } from './rig/sds-caller.ts'

const OTHER_UID = 10_001
/** Root as everyone else is: with no capability, so that the rules for equals apply. */
const POWERLESS = ['setpriv', '--bounding-set=-all', '--inh-caps=-all']
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

function isRoot(t: TestContext): boolean {
  if (process.getuid?.() === 0) return true
  assert.notEqual(process.env['CI'], 'true', 'CI is root')
  t.skip('needs root, to be other users')
  return false
}

/** Writes a configuration with these parts changed; returns its path. */
function configure(
  rig: Rig,
  folder: string,
  change: Readonly<Record<string, unknown>> = {},
): string {
  const path = join(rig.folder, folder)
  mkdirSync(path, { mode: 0o755, recursive: true })
  writeFileSync(join(path, 'entries.yaml'), 'entries: []\n')
  const config = {
    trustDomain: 'example.org',
    socket: join(path, 'run/agent.sock'),
    admin: { socket: join(path, 'run/admin/admin.sock') },
    http: false,
    stateDir: join(path, 'state'),
    entries: { file: 'entries.yaml' },
    ...change,
  }
  writeFileSync(join(path, 'agent.yaml'), stringify(config))
  return join(path, 'agent.yaml')
}

test('SIGUSR1 opens no debugger in an agent that is started as its first line says', async (t) => {
  const rig = createRig(t)
  const main = join(ROOT, process.env['SPINDLE_MAIN'] ?? 'src/main.ts')
  const [, interpreter = '', argument = ''] =
    /^#!(\S+) (.*)$/m.exec(readFileSync(main, 'utf8')) ?? []
  const agent = await startChild(
    interpreter,
    [argument, main, 'agent', '-c', configure(rig, 'one')],
    { env: { PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` } },
  )
  rig.atEnd(() => agent.stop())
  const { adminSocket } = JSON.parse(await agent.line((line) => line.startsWith('{"ready"'))) as {
    adminSocket: string
  }
  agent.signal('SIGUSR1')
  // Answered after the signal was taken.
  assert.equal((await spindle(['status', '--admin-socket', adminSocket])).code, 0)
  assert.doesNotMatch(agent.output(), /[Dd]ebugger/)
})

test('no process of the same user reads the memory of an agent, and no core of it is dumped', async (t) => {
  if (!isRoot(t)) return
  const rig = createRig(t)
  const dumping = ['prlimit', '--core=1000000:1000000']
  const agent = await rig.agent({ through: [...dumping, ...POWERLESS] })
  const limits = readFileSync(`/proc/${agent.child.pid}/limits`, 'utf8')
  assert.match(limits, /^Max core file size +0 +0 /m)
  const plain = spawn(POWERLESS[0] ?? '', [...POWERLESS.slice(1), 'sleep', '60'])
  rig.atEnd(() => plain.kill('SIGKILL'))
  await once(plain, 'spawn')
  await eventually('it has become a process without capabilities', () =>
    readFileSync(`/proc/${plain.pid}/cmdline`, 'utf8').startsWith('sleep'),
  )
  const read = (pid: number | undefined, file: string): string => {
    const command = [...POWERLESS.slice(1), 'head', '-c', '1', `/proc/${pid}/${file}`]
    return spawnSync(POWERLESS[0] ?? '', command).stderr.toString()
  }
  for (const file of ['environ', 'maps']) {
    assert.equal(read(plain.pid, file), '', 'of another process of this user it can be read')
    assert.match(read(agent.child.pid, file), /Permission denied/, file)
  }
  assert.match(read(agent.child.pid, 'mem'), /Permission denied/)
})

test('everyone may use the agent socket, the admin socket only root, the agent’s uid and those allowed', async (t) => {
  if (!isRoot(t)) return
  const rig = createRig(t)
  const agent = await rig.agent()
  assert.equal(modeOf(agent.socket), '777')
  assert.equal(modeOf(agent.adminSocket), '600')
  assert.equal(modeOf(dirname(agent.adminSocket)), '700')
  const state = join(agent.folder, 'state')
  assert.equal(modeOf(state), '700')
  assert.equal(modeOf(join(state, 'authority-embedded.json')), '600')

  const asOther = (adminSocket: string): Promise<CommandResult> =>
    spindle(['status', '--admin-socket', adminSocket], { uid: OTHER_UID })
  const refused = await asOther(agent.adminSocket)
  assert.equal(refused.code, 4, refused.err)
  assert.match(refused.err, /admin\.allow/)
  assert.equal(refused.out, '')
  // Were folder and socket opened by someone, the agent itself would refuse.
  chmodSync(dirname(agent.adminSocket), 0o755)
  chmodSync(agent.adminSocket, 0o666)
  const refusedByAgent = await asOther(agent.adminSocket)
  assert.equal(refusedByAgent.code, 4, refusedByAgent.err)
  assert.match(refusedByAgent.err, /admin\.allow/)
  assert.equal(refusedByAgent.out, '')

  const open = await rig.agent({
    config: {
      admin: { socket: join(rig.folder, 'open/admin.sock'), allow: [OTHER_UID] },
    },
  })
  const allowed = await asOther(open.adminSocket)
  assert.equal(allowed.code, 0, allowed.err)
  assert.match(allowed.out, /example\.org/)
  const stranger = await spindle(['status', '--admin-socket', open.adminSocket], { uid: 10_002 })
  assert.equal(stranger.code, 4, stranger.err)
})

test('a socket is taken only where it is safe, and never from an agent that serves', async (t) => {
  const rig = createRig(t)
  const starting = async (config: string): Promise<string> => {
    const { code, out, err } = await spindle(['agent', '-c', config])
    assert.equal(code, 1, err)
    assert.equal(out, '')
    assert.match(err, /\(socket_unusable\)/)
    return err
  }

  await t.test('a folder that others may write', async () => {
    const config = configure(rig, 'unsafe')
    mkdirSync(join(dirname(config), 'run'))
    chmodSync(join(dirname(config), 'run'), 0o777)
    assert.match(await starting(config), /unsafe\/run may be written by its group or by others/)
  })

  await t.test('a folder that is a symbolic link', async () => {
    const config = configure(rig, 'linked')
    mkdirSync(join(dirname(config), 'elsewhere'))
    symlinkSync('elsewhere', join(dirname(config), 'run'))
    assert.match(await starting(config), /linked\/run is a symbolic link/)
  })

  await t.test('a path of more than 107 bytes', async () => {
    const socket = join(rig.folder, 'x'.repeat(107 - rig.folder.length), 'agent.sock')
    const { code, err } = await spindle(['agent', '-c', configure(rig, 'long', { socket })])
    assert.equal(code, 2)
    assert.match(err, /socket: is 119 bytes once resolved; allowed: at most 107/)
  })

  await t.test('something that is no socket', async () => {
    const config = configure(rig, 'file')
    mkdirSync(join(dirname(config), 'run'), { mode: 0o755 })
    writeFileSync(join(dirname(config), 'run/agent.sock'), 'precious')
    assert.match(await starting(config), /is no socket; it is left alone/)
    assert.equal(readFileSync(join(dirname(config), 'run/agent.sock'), 'utf8'), 'precious')
  })

  await t.test('a socket that is served, by an agent or anyone', async () => {
    const agent = await rig.agent()
    const { ino } = lstatSync(agent.socket)
    const second = configure(rig, 'second', { socket: agent.socket })
    assert.match(await starting(second), /is served, or being taken, by another process/)
    assert.equal(lstatSync(agent.socket).ino, ino)
    assert.equal((await spindle(['status', '--admin-socket', agent.adminSocket])).code, 0)

    const config = configure(rig, 'foreign')
    mkdirSync(join(dirname(config), 'run'), { mode: 0o755 })
    const foreign = createServer().listen(join(dirname(config), 'run/agent.sock'))
    await once(foreign, 'listening')
    rig.atEnd(() => foreign.close())
    assert.match(await starting(config), /by another process/)
    assert.equal(foreign.listening, true)
    assert.equal(existsSync(join(dirname(config), 'run/agent.sock')), true)
  })

  await t.test('one that is left over is replaced', async () => {
    const agent = await rig.agent()
    agent.child.signal('SIGKILL')
    await agent.child.ended
    assert.equal(lstatSync(agent.socket).isSocket(), true)
    assert.equal((await spindle(['status', '--admin-socket', agent.adminSocket])).code, 3)
    const next = await agent.restart()
    rig.atEnd(() => next.stop())
    assert.equal((await spindle(['status', '--admin-socket', next.adminSocket])).code, 0)
  })
})

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  test(`${signal} ends the streams, then the socket, whose path stays, and the agent with code 0`, async (t) => {
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: [
        { spiffeId: 'spiffe://example.org/web', selectors: [`unix:uid:${process.getuid?.()}`] },
      ],
    })
    const caller = createSdsCaller(agent.socket)
    rig.atEnd(() => caller.close())
    const stream = caller.delta()
    stream.acknowledge()
    stream.say({ resourceNamesSubscribe: ['default'] })
    await stream.next()
    const start = performance.now()
    agent.child.signal(signal)
    // A status, not a connection that breaks: Envoy comes back at once after it.
    const { code, details } = await stream.end()
    assert.equal(code, status.UNAVAILABLE)
    assert.match(details, /shutting down/)
    // Nor is it begun anew with an agent that goes.
    const again = caller.delta()
    again.say({ resourceNamesSubscribe: ['default'] })
    assert.match((await again.end()).details, /shutting down/)
    assert.deepEqual(await agent.child.ended, { code: 0, signal: null })
    const took = performance.now() - start
    t.diagnostic(`ended after ${took.toFixed(0)} ms`)
    assert(took < 2_500, `${took} ms`)
    assert.equal(lstatSync(agent.socket).isSocket(), true)
  })
