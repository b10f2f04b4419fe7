import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GetAuthorityResponse } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from './rig/agent.ts'
import { startLoad } from './rig/load.ts'
import {
  acknowledged,
  changedSerial,
  envoySelectors,
  heldSecrets,
  startPair,
  VARIANTS,
} from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'

const ROTATIONS = 20

const authorityOf = (agent: Agent): Promise<GetAuthorityResponse> =>
  agent.admin.call(AdminService.method.getAuthority, {}, { deadlineMs: 5_000 })

const countAnchors = (pem: string): number => pem.split('-----BEGIN CERTIFICATE-----').length - 1

for (const [variant, template] of VARIANTS)
  test(`${ROTATIONS} rotations of the CA under load fail no request (${variant})`, async (t) => {
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
    })
    const { server, client, outbound } = await startPair(rig, agent, {
      template,
      connectAnew: 'whole',
    })
    let bundle = await acknowledged(agent, { name: 'ROOTCA', count: 2 })
    let serial: string | undefined
    const authorities = new Set((await authorityOf(agent)).slots.map((slot) => slot.authorityId))
    assert.equal(authorities.size, 1)
    const load = startLoad(outbound, { loops: 3 })
    rig.atEnd(() => load.stop())

    for (let rotation = 0; rotation < ROTATIONS; rotation++) {
      await load.more(5)
      const rotated = await agent.admin.call(
        AdminService.method.rotateAuthority,
        {},
        { deadlineMs: 60_000 },
      )
      const { activeAuthorityId, acknowledged: taken, holding, renewed } = rotated
      assert.deepEqual({ taken, holding, renewed }, { taken: 2, holding: 2, renewed: 1 })
      authorities.add(activeAuthorityId)
      bundle = await acknowledged(agent, { name: 'ROOTCA', count: 2, before: bundle })
      const before = serial
      serial = await changedSerial(server, before)
      assert.equal(await changedSerial(client, before), serial, 'both use the same identity')
    }
    await load.more(5)
    await load.stop()

    assert.deepEqual(load.failures, [])
    assert.equal(authorities.size, ROTATIONS + 1)
    const { anchorsPem, slots } = await authorityOf(agent)
    assert.equal(countAnchors(anchorsPem), ROTATIONS + 1, 'nothing trusted was taken away')
    assert.deepEqual(
      slots.filter(({ status }) => status === 'active').map(({ authorityId }) => authorityId),
      [[...authorities].at(-1)],
    )
    for (const envoy of [server, client])
      for (const name of ['default', 'ROOTCA'])
        assert.equal(await envoy.stat(`sds.${name}.update_rejected`), 0)
    t.diagnostic(`${load.answered} requests`)
  })

test('a CA that nears its end is replaced under load: published and acknowledged before it signs', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
    config: { authority: { kind: 'embedded', caTtl: '20s' }, svid: { ttl: '10s' } },
  })
  const { server, outbound } = await startPair(rig, agent, {
    template: 'sidecar-delta',
    connectAnew: 'whole',
  })
  const load = startLoad(outbound, { loops: 1 })
  rig.atEnd(() => load.stop())
  const [first] = (await authorityOf(agent)).slots
  const alone = (await heldSecrets(agent)).find(({ name }) => name === 'ROOTCA')?.version
  const statusOf = async (id: string | undefined): Promise<string | undefined> =>
    (await authorityOf(agent)).slots.find((slot) => slot.authorityId === id)?.status
  assert.equal(await statusOf(first?.authorityId), 'active')

  const next = await eventually('a next CA prepared', async () =>
    (await authorityOf(agent)).slots.find(({ status }) => status === 'prepared'),
  )
  const both = await acknowledged(agent, { name: 'ROOTCA', count: 2, before: alone })
  assert.equal(await statusOf(next.authorityId), 'prepared', 'acknowledged before it signs')
  assert.equal(await statusOf(first?.authorityId), 'active')
  const last = await changedSerial(server, undefined)

  await eventually('the next CA signs', async () => (await statusOf(next.authorityId)) === 'active')
  assert.equal(await statusOf(first?.authorityId), 'old')
  await changedSerial(server, last)
  const bundle = (await heldSecrets(agent)).find(({ name }) => name === 'ROOTCA')
  assert.equal(bundle?.acknowledgedVersion, both, 'what is trusted did not change when it signed')
  await load.more(10)
  await load.stop()
  assert.deepEqual(load.failures, [])
  t.diagnostic(`${load.answered} requests`)
})
