import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startChild } from '../../src/os/child.ts'
import { cli } from './rig/command.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsCaller } from './rig/sds-caller.ts'

/** Less than two minutes, as `span` shows it: a slow machine is late, but not later. */
const LATELY = String.raw`(?:\d{1,2}s|1m(?: \d{1,2}s)?)`

test('spindle sds explain answers in sentences, whether the process is connected, never was, or does not exist', async (t) => {
  const rig = createRig(t)
  const web = { spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }
  const api = { spiffeId: 'spiffe://example.org/api', selectors: ['unix:uid:4242'] }
  const agent = await rig.agent({ entries: [web, api] })
  const explain = async (pid: number, ...args: readonly string[]): Promise<string> => {
    const admin = ['--admin-socket', agent.adminSocket]
    const { code, out, err } = await cli('sds', 'explain', '--pid', `${pid}`, ...args, ...admin)
    assert.deepEqual([code, err], [0, ''])
    return out
  }
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const stream = caller.delta()
  stream.acknowledge()
  stream.say({ node: { id: 'node-7' }, resourceNamesSubscribe: ['default', api.spiffeId] })
  const metric = 'spindle_agent_sds_acks_total{variant="delta"}'
  await eventually('two acknowledgements', async () => (await agent.metric(metric)) === 2)

  const has = await explain(process.pid, '--name', 'default')
  assert(has.startsWith(`Process ${process.pid} has default, the X.509-SVID of ${web.spiffeId}.\n`))
  assert.match(has, /^It connected .* \(node node-7\)\.$/m)
  const history = `sent \\w{12} ${LATELY} ago, acknowledged after (?:\\d{1,3} ms|${LATELY})`
  assert.match(has, new RegExp(`^ {2}over Delta: ${history}$`, 'm'))
  assert.match(has, /^Next: It is renewed in [23]\dm(?: \d{1,2}s)? and pushed at once; /m)

  const lacks = await explain(process.pid, '--name', api.spiffeId)
  const why = 'no entry of this caller has this SPIFFE ID'
  assert(lacks.startsWith(`Process ${process.pid} lacks ${api.spiffeId}: ${why}`), lacks)
  const uid = process.getuid?.()
  assert.match(lacks, new RegExp(`^ {2}unix:uid:4242 {2}and the process has unix:uid:${uid}$`, 'm'))
  const told = `told ${LATELY} ago that there is no such name, held open`
  assert.match(lacks, new RegExp(`^ {2}over Delta: ${told}$`, 'm'))
  assert.match(lacks, /^Next: The moment an entry grants it, it is pushed/m)

  agent.setEntries([api])
  await eventually('the loss of its entry', async () => {
    const lost = await explain(process.pid, '--name', 'default')
    return lost.includes('Its Envoy still works with what it was sent before.') && lost
  })
  agent.setEntries([web, api])
  const idle = await startChild(process.execPath, ['-e', 'setTimeout(() => {}, 1e6)'])
  rig.atEnd(() => idle.stop())
  await eventually('a process that never connected', async () => {
    const never = await explain(idle.pid, '--name', 'default')
    return /may have default, .*, but is not connected to the agent\.$/m.test(never)
  })
  assert.match(await explain(idle.pid), new RegExp(`^Process ${idle.pid} is ${web.spiffeId}\\.`))

  const admin = ['--admin-socket', agent.adminSocket]
  const nobody = await cli('sds', 'explain', '--pid', '4194304', ...admin)
  assert.deepEqual([nobody.code, nobody.out], [1, ''])
  assert.match(nobody.err, /there is no process 4194304, .*\n.*`spindle sds list`.*\(not_found\)/)
})
