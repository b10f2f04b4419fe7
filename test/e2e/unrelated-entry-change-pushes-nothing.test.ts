import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Envoy } from '../../src/cli/demo/envoy.ts'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { acknowledged, envoySelectors, startPair, sumOf, VARIANTS } from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'

const PUSHES = 'spindle_agent_sds_pushes_total'

for (const [variant, template] of VARIANTS)
  test(`entries of others and keys for JWT-SVIDs come, change and go without a push to Envoy (${variant})`, async (t) => {
    const rig = createRig(t)
    const web = { spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }
    const agent = await rig.agent({ entries: [web] })
    const { server, client } = await startPair(rig, agent, { template })
    const version = await acknowledged(agent, { name: 'default', count: 2 })
    await acknowledged(agent, { name: 'ROOTCA', count: 2 })
    const attempts = (envoy: Envoy): Promise<(number | undefined)[]> =>
      Promise.all(['default', 'ROOTCA'].map((name) => envoy.stat(`sds.${name}.update_attempt`)))
    const before = [await attempts(server), await attempts(client)]
    const pushes = await sumOf(agent, PUSHES)
    assert.equal(pushes, 4)

    const other = { spiffeId: 'spiffe://example.org/other', selectors: ['unix:uid:4242'] }
    const second = { spiffeId: 'spiffe://example.org/second', selectors: ['unix:uid:4243'] }
    let reloads = 0
    for (const entries of [
      [web, other],
      [web, { ...other, x509SvidTtl: '5m' }, second],
      [second, web],
      [web],
    ]) {
      agent.setEntries(entries)
      reloads += 1
      await eventually('the file is read', async () => {
        const count = await agent.metric(
          'spindle_agent_reloads_total{source="entries",result="ok"}',
        )
        return count === reloads
      })
    }
    // A bundle that differs in these alone is another bundle, and the same trust anchors.
    for (const request of [{ jwt: true }, { jwt: true, now: true }])
      await agent.admin.call(AdminService.method.rotateAuthority, request, { deadlineMs: 10_000 })
    // The answer comes after the turns of the event loop in which pushes would have gone out.
    await agent.admin.call(AdminService.method.getStatus, {}, { deadlineMs: 20_000 })
    assert.equal(await sumOf(agent, PUSHES), pushes)
    assert.deepEqual([await attempts(server), await attempts(client)], before)

    // A change that is the sidecars' own is one push to each.
    await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })
    await acknowledged(agent, { name: 'default', count: 2, before: version })
    assert.equal(await sumOf(agent, PUSHES), pushes + 2)
  })
