import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import type { Sidecar } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { run } from '../../src/cli/program.ts'
import type { Agent } from './rig/agent.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'
import { createSdsCaller } from './rig/sds-caller.ts'

const WEB = { spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }

interface Watch {
  readonly out: () => string
  readonly err: () => string
  readonly code: Promise<number>
  interrupt(): void
}

/** `spindle sds list --watch` in this process. */
function watch(
  agent: Pick<Agent, 'adminSocket'>,
  settings: { readonly args?: readonly string[]; readonly columns?: number } = {},
): Watch {
  let out = ''
  let err = ''
  const listeners = new Set<() => void>()
  const { args = [], columns } = settings
  const size = columns === undefined ? undefined : { columns, rows: 20 }
  const command = ['sds', 'list', '--watch', '--admin-socket', agent.adminSocket, ...args]
  const code = run(command, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    env: process.env,
    onSignal(name, listen) {
      if (name === 'SIGINT') listeners.add(listen)
      return () => void listeners.delete(listen)
    },
    ...(size && { terminal: { size: () => size, onResize: () => () => undefined } }),
  })
  return {
    out: () => out,
    err: () => err,
    code,
    interrupt: () => listeners.forEach((listen) => listen()),
  }
}

test('spindle sds list --watch prints each change until Ctrl-C, and ends with 3 when the agent goes', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [WEB] })
  const table = watch(agent)
  const json = watch(agent, { args: ['-o', 'json'] })
  const screen = watch(agent, { columns: 60 })
  const documents = (): { sidecars: Sidecar[] }[] =>
    json
      .out()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { sidecars: Sidecar[] })
  await eventually('an empty list', () => documents().length === 1)
  assert.deepEqual(documents(), [{ sidecars: [] }])

  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const stream = caller.delta()
  stream.acknowledge()
  stream.say({ node: { id: 'node-7', cluster: 'c' }, resourceNamesSubscribe: ['default'] })
  const holds = (state: string) => () =>
    documents().at(-1)?.sidecars[0]?.secrets[0]?.state === state
  await eventually('what it holds', holds('acknowledged'))
  const first = documents().at(-1)?.sidecars[0]
  assert.equal(first?.nodeId, 'node-7')
  assert.equal(first?.pid, process.pid)

  // Pushed, not asked for: a renewal is seen without anything being said to the agent by the watch.
  const { version } = first.secrets[0]!
  await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 20_000 })
  await eventually('the renewed one', () => {
    const held = documents().at(-1)?.sidecars[0]?.secrets[0]
    return held?.state === 'acknowledged' && held.version !== version
  })
  agent.setEntries([])
  await eventually('the loss of its entry', holds('revoked'))
  const seen = documents()
  for (const [index, document] of seen.entries())
    if (index > 0) assert.notDeepEqual(document, seen[index - 1], 'only changes are told')
  await eventually('the table', () => /default .*revoked/.test(table.out()))
  assert.equal(
    table.out().includes('\x1b'),
    false,
    'no control sequence where there is no terminal',
  )
  const tables = table.out().match(/^PID /gm)?.length ?? 0
  assert(tables >= 3 && tables <= seen.length + 1, `${tables} tables`)

  await eventually('the screen', () => /default/.test(screen.out().split('\x1b[H').at(-1) ?? ''))
  const frames = screen.out().split('\x1b[H')
  assert.equal(frames[0], '\x1b[?25l', 'the cursor is hidden once, before the first frame')
  for (const frame of frames.slice(1)) {
    assert(frame.endsWith('\x1b[J'))
    for (const line of frame.slice(0, -3).split('\n'))
      assert(line.endsWith('\x1b[K') && line.length <= 60 + 3, line)
  }

  screen.interrupt()
  assert.equal(await screen.code, 0)
  assert(screen.out().endsWith('\x1b[?25h\n'), 'the cursor is back')
  table.interrupt()
  assert.equal(await table.code, 0)
  assert.equal(table.err(), '')

  const start = performance.now()
  await agent.stop()
  assert.equal(await json.code, 3)
  assert.match(json.err(), /shutting down.*\n.*\(not_ready\)/)
  assert(performance.now() - start < 3_000, 'who watches does not hold up the end of the agent')
})

test('spindle sds list --watch ends with 3 where there is no agent, and when it is killed', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent()
  const watching = watch(agent)
  await eventually('a first table', () => watching.out() !== '')
  agent.child.signal('SIGKILL')
  assert.equal(await watching.code, 3)
  assert.match(watching.err(), /does not answer.*\n.*\(unreachable\)/)
  const late = watch(agent)
  assert.equal(await late.code, 3)
  assert.match(late.err(), /\(unreachable\)/)
})

test('spindle sds list --watch ends at the first change after its reader has gone, and at SIGTERM', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [WEB] })
  const main = join(ROOT, process.env['SPINDLE_MAIN'] ?? 'src/main.ts')
  const start = (): ChildProcessByStdio<null, Readable, null> => {
    const args = [main, 'sds', 'list', '--watch', '--admin-socket', agent.adminSocket]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    rig.atEnd(() => child.kill('SIGKILL'))
    return child
  }
  const [unread, told] = [start(), start()]
  await Promise.all([once(unread.stdout, 'data'), once(told.stdout, 'data')])
  unread.stdout.destroy()
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const ended = once(unread, 'exit')
  const stream = caller.delta()
  stream.acknowledge()
  stream.say({ node: { id: 'node-7' }, resourceNamesSubscribe: ['default'] })
  await stream.next()
  await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 20_000 })
  assert.deepEqual(await ended, [0, null])
  told.kill('SIGTERM')
  assert.deepEqual(await once(told, 'exit'), [0, null])
})
