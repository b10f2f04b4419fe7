/** An agent that is killed and started again while its server is away: old and new Envoys have what they had, within a second. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { addEntry, isKept, joining } from './rig/joining.ts'
import { spindle } from './rig/command.ts'
import { envoySelectors, startPair } from './rig/pair.ts'
import { activeListener, createRig, eventually, get } from './rig/rig.ts'

const GOAL_MS = 1_000

test('an agent restarted while its server is away serves its Envoys within a second', async (t) => {
  const rig = createRig(t)
  rig.envoyBinary()
  const server = await rig.server()
  const selectors = envoySelectors(rig).map((text) => {
    const [type = '', ...value] = text.split(':')
    return { type, value: value.join(':') }
  })
  await addEntry(server, 'a', '/web', { selectors })
  const { config } = await joining(rig, server, 'a', { trustBundleFile: undefined, insecure: true })
  const agent = await rig.agent({ config })
  const { outbound, server: inbound } = await startPair(rig, agent, { template: 'sidecar-delta' })

  const options = ['--admin-socket', agent.adminSocket]
  const status = await spindle(['status', ...options])
  assert.match(status.out, /^server connected +yes, by sync$/m)
  assert.match(status.out, /^bootstrap +unverified$/m)
  assert.match(status.out, /^cache +kept$/m)
  assert.match(status.out, /^problem: bootstrap: unverified/m)
  const ready = await (await fetch(`${agent.http}/ready`)).text()
  assert.match(ready, /"name":"bootstrap","ok":true,"detail":"unverified"/)
  assert.equal(await agent.metric('spindle_agent_server_bootstrap_unverified'), 1)

  const page = (await (await fetch(`${agent.http}/api/state`)).json()) as {
    authority: { kind: string; slots: { status: string }[] }
  }
  assert.equal(page.authority.kind, 'server')
  assert.deepEqual(
    page.authority.slots.map(({ status }) => status),
    ['active'],
  )
  const ca = await spindle(['ca', 'show', ...options])
  assert.match(ca.out, /active/)
  const rotate = await spindle(['ca', 'rotate', ...options])
  assert.match(rotate.err, /those of the server: rotate them there/)
  const explain = await spindle(['sds', 'explain', '--pid', `${inbound.child.pid}`, ...options])
  assert.match(explain.out, /spiffe:\/\/example\.org\/web/)
  const doctor = await spindle(['doctor', '--config', join(agent.folder, 'agent.yaml')])
  assert.match(doctor.out, /answers from here/)
  assert.match(doctor.out, /the first to be seen/)

  server.child.signal('SIGKILL')
  await server.child.ended
  await eventually('what it has is kept', () => isKept(agent, 0))
  agent.child.signal('SIGKILL')
  await agent.child.ended
  const restarted = await agent.restart()
  rig.atEnd(() => restarted.stop())
  const envoy = await rig.envoy(restarted, { appPort: await rig.app('OK') })
  const held = async (): Promise<number> => {
    const all = await restarted.sidecars()
    const secrets = all.find(({ pid }) => pid === envoy.child.pid)?.secrets ?? []
    return secrets.filter(({ state }) => state === 'acknowledged').length
  }
  const started = performance.now()
  await activeListener(envoy, 'inbound')
  await eventually('the secrets of a new Envoy', async () => (await held()) >= 2)
  const took = performance.now() - started
  t.diagnostic(`a new Envoy was active after ${took.toFixed(0)} ms`)
  assert(took < 5 * GOAL_MS)
  await eventually('the old ones are back', async () => (await restarted.sidecars()).length >= 3)
  assert.equal((await get(outbound)).status, 200)
  assert.equal(await restarted.metric('spindle_agent_server_connected'), 0)
})
