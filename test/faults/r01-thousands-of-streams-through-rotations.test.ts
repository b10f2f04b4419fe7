/** R01: streams that are held for long, on as many connections, miss no rotation; what they cost is given back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { footprintOf } from '../leaks.ts'
import { crowdFaults, startCrowd } from './crowd.ts'
import { atScale, SOAK } from './scale.ts'

const STREAMS_METRIC = 'spindle_agent_sds_streams{variant="delta"}'
const STREAMS = atScale(150, 5_000)
const HOLD_MS = atScale(0, 600_000)
const ROTATIONS = 3
const PUSH_GOAL_MS = 2_000
const MOST_RSS_BYTES = 400 * 2 ** 20

test(`R01: ${STREAMS} streams on as many connections get each of three rotations once, and none is dropped`, async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    config: { limits: { connectionsPerUid: STREAMS + 10 }, log: { level: 'info' } },
  })
  const before = footprintOf(agent.child.pid)
  const crowd = startCrowd(agent.socket, STREAMS)
  rig.atEnd(() => crowd.close())
  const { members } = crowd
  const all = (certificates: number): Promise<true> =>
    eventually(
      `certificate ${certificates} with all`,
      () => members.every((member) => member.certificates === certificates),
      atScale(20_000, 60_000),
    )
  await all(1)
  for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
    await new Promise((resolve) => setTimeout(resolve, HOLD_MS / ROTATIONS))
    const start = performance.now()
    await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 30_000 })
    await all(1 + rotation)
    const arrivals = members.map(({ arrivedAt }) => arrivedAt - start).sort((a, b) => a - b)
    const p99 = arrivals[Math.floor(STREAMS * 0.99)] ?? Infinity
    t.diagnostic(`rotation ${rotation}: 99 % after ${p99.toFixed(0)} ms`)
    assert(p99 < 5 * PUSH_GOAL_MS)
  }
  assert.deepEqual(crowdFaults(crowd), [])
  assert(members.every(({ drops }) => drops === 0))
  const during = footprintOf(agent.child.pid)
  t.diagnostic(`agent: ${((during?.rssBytes ?? 0) / 2 ** 20).toFixed(0)} MB`)
  assert((during?.rssBytes ?? 0) < MOST_RSS_BYTES)
  crowd.close()
  await eventually('their descriptors are closed', () => {
    const after = footprintOf(agent.child.pid)
    // The admin socket's own connection stays.
    return (after?.descriptors ?? 0) <= (before?.descriptors ?? 0) + 4
  })
  assert.equal(await agent.metric(STREAMS_METRIC), 0)
  if (SOAK) t.diagnostic(`after: ${JSON.stringify(footprintOf(agent.child.pid))}`)
})
