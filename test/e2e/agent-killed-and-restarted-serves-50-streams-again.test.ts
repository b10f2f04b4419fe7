import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from './rig/agent.ts'
import { startLoad } from './rig/load.ts'
import { envoySelectors, heldSecrets, serialsInUse } from './rig/pair.ts'
import { activeListener, createRig, eventually, get } from './rig/rig.ts'

/** Beside `default` and `ROOTCA`: 50 secrets, and so 50 streams, of one Envoy. */
const ALIASES = Array.from({ length: 48 }, (_, index) => `alias-${index}`)
const STREAMS = ALIASES.length + 2
const GOAL_MS = 2_000

/** A listener beside `inbound` for each alias, with the alias as the name of its certificate. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function listenOnAliases(config: Record<string, any>): void {
  const { listeners } = config['static_resources']
  const inbound = listeners.find((listener: { name: string }) => listener.name === 'inbound')
  for (const alias of ALIASES) {
    const copy = structuredClone(inbound)
    copy.name = alias
    const { typed_config: tls } = copy.filter_chains[0].transport_socket
    tls.common_tls_context.tls_certificate_sds_secret_configs[0].name = alias
    listeners.push(copy)
  }
}

async function acknowledgedBy(agent: Agent, pid: number): Promise<number> {
  const held = await heldSecrets(agent)
  return held.filter((secret) => secret.pid === pid && secret.state === 'acknowledged').length
}

async function anchors(agent: Agent): Promise<string> {
  const answer = await agent.admin.call(
    AdminService.method.getAuthority,
    {},
    { deadlineMs: 20_000 },
  )
  return answer.anchorsPem
}

test('an agent killed with SIGKILL and started again has all 50 streams of an Envoy back, under the same CA', async (t) => {
  const rig = createRig(t)
  const selectors = envoySelectors(rig)
  const agent = await rig.agent({
    entries: [
      { spiffeId: 'spiffe://example.org/web', selectors },
      ...ALIASES.map((alias) => ({ spiffeId: `spiffe://example.org/${alias}`, selectors })),
    ],
    config: {
      sds: {
        aliases: Object.fromEntries(
          ALIASES.map((alias) => [alias, `spiffe://example.org/${alias}`]),
        ),
      },
    },
  })
  const appPort = await rig.app('OK')
  const server = await rig.envoy(agent, { appPort, change: listenOnAliases })
  const peerPort = await activeListener(server, 'inbound')
  const client = await rig.envoy(agent, { peerPort })
  const outbound = await activeListener(client, 'outbound')
  await eventually('a first answer', async () => (await get(outbound)).status === 200)
  const all = async (of: Agent): Promise<boolean> =>
    (await acknowledgedBy(of, server.child.pid)) === STREAMS
  await eventually('all acknowledged', () => all(agent))
  const before = { anchors: await anchors(agent), serials: await serialsInUse(server) }
  assert.equal(before.serials.length, STREAMS - 1, 'each certificate is another')

  const load = startLoad(outbound, { loops: 2 })
  rig.atEnd(() => load.stop())
  await load.more(5)
  agent.child.signal('SIGKILL')
  await agent.child.ended
  await load.more(20)
  const restarted = await agent.restart()
  const ready = performance.now()
  rig.atEnd(() => restarted.stop())
  await eventually('all streams back and acknowledged', () => all(restarted), 5 * GOAL_MS)
  const took = performance.now() - ready
  await load.more(5)
  await load.stop()

  t.diagnostic(`${STREAMS} streams acknowledged ${took.toFixed(0)} ms after the agent was ready`)
  assert(took < 5 * GOAL_MS)
  assert.deepEqual(load.failures, [])
  assert.equal(await anchors(restarted), before.anchors)
  const serials = await eventually('other certificates in use', async () => {
    const now = await serialsInUse(server)
    const fresh = now.every((serial) => !before.serials.includes(serial))
    return fresh && now.length === STREAMS - 1 ? now : undefined
  })
  assert.equal(new Set([...before.serials, ...serials]).size, 2 * (STREAMS - 1))
  for (const name of ['default', 'ROOTCA', ...ALIASES])
    assert.equal(await server.stat(`sds.${name}.update_rejected`), 0, name)
  const [sidecar] = (await restarted.sidecars()).filter(({ pid }) => pid === server.child.pid)
  assert.equal(sidecar?.secrets.length, STREAMS, 'on one connection')
})
