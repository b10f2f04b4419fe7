import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activeListener, createRig, eventually, get } from './rig/rig.ts'
import type { Template } from './rig/rig.ts'

const variants: readonly [string, Template][] = [
  ['Delta', 'sidecar-delta'],
  ['state of the world', 'sidecar-sotw'],
]

for (const [variant, template] of variants)
  test(`two Envoys speak mutual TLS with secrets over ${variant} SDS`, async (t) => {
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: [{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:0'] }],
    })
    const appPort = await rig.app('OK')
    const server = await rig.envoy(agent, { template, appPort })
    const inbound = await activeListener(server, 'inbound')
    const client = await rig.envoy(agent, { template, peerPort: inbound })
    const outbound = await activeListener(client, 'outbound')

    const answer = await eventually('an answer', async () => {
      const reply = await get(outbound)
      return reply.status === 200 ? reply : undefined
    })
    assert.equal(answer.body, 'OK')
    assert.equal(await server.stat('listener.127.0.0.1_0.ssl.fail_verify_error'), 0)
    for (const name of ['default', 'ROOTCA'])
      for (const envoy of [server, client])
        assert.equal(await envoy.stat(`sds.${name}.update_rejected`), 0)

    const sidecars = await agent.sidecars()
    assert.equal(sidecars.length, 2)
    for (const sidecar of sidecars) {
      assert.equal(sidecar.envoyVersion, '1.40.0')
      const held = Object.fromEntries(sidecar.secrets.map(({ name, state }) => [name, state]))
      assert.deepEqual(held, { default: 'acknowledged', ROOTCA: 'acknowledged' })
    }
  })
