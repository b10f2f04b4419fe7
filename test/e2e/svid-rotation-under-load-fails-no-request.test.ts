import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { startLoad } from './rig/load.ts'
import { acknowledged, changedSerial, envoySelectors, startPair, VARIANTS } from './rig/pair.ts'
import { createRig } from './rig/rig.ts'

const ROTATIONS = 20

for (const [variant, template] of VARIANTS)
  test(`${ROTATIONS} rotations of the X.509-SVID under load fail no request (${variant})`, async (t) => {
    // Both ways a new connection begins: each variant of SDS takes one.
    const connectAnew = template === 'sidecar-delta' ? 'whole' : 'resumed'
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
    })
    const { server, client, outbound } = await startPair(rig, agent, {
      template,
      connectAnew,
    })
    let version = await acknowledged(agent, { name: 'default', count: 2 })
    const serials = new Set<string>()
    let serial: string | undefined
    const load = startLoad(outbound, { loops: 3 })
    rig.atEnd(() => load.stop())

    for (let rotation = 0; rotation < ROTATIONS; rotation++) {
      await load.more(5)
      const { renewed } = await agent.admin.call(
        AdminService.method.renewIdentities,
        {},
        { deadlineMs: 10_000 },
      )
      assert.equal(renewed, 1)
      version = await acknowledged(agent, { name: 'default', count: 2, before: version })
      const before = serial
      serial = await changedSerial(server, before)
      assert.equal(await changedSerial(client, before), serial, 'both use the same identity')
      serials.add(serial)
    }
    await load.more(5)
    await load.stop()

    assert.deepEqual(load.failures, [])
    assert.equal(serials.size, ROTATIONS)
    const handshakes = await server.stat('listener.127.0.0.1_0.ssl.handshake')
    assert(handshakes !== undefined && handshakes >= load.answered, `${handshakes} handshakes`)
    const resumed = await server.stat('listener.127.0.0.1_0.ssl.session_reused')
    assert.equal(resumed !== 0, connectAnew === 'resumed', `${resumed} sessions resumed`)
    assert.equal(await server.stat('sds.default.update_rejected'), 0)
    assert.equal(await client.stat('sds.default.update_rejected'), 0)
    t.diagnostic(
      `${load.answered} requests, ${handshakes} handshakes, ${serials.size} certificates`,
    )
  })
