/** R03: an agent killed at random moments of rotations never leaves a certificate that some client's bundle does not cover. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { crowdFaults, startCrowd } from './crowd.ts'
import { atScale } from './scale.ts'

const KILLS = atScale(10, 100)
const CLIENTS = atScale(20, 200)
const GOAL_MS = 2_000
/** A rotation of the CA takes a little longer, so that kills fall into each part of it. */
const LONGEST_WAIT_MS = 1_300

const options = { deadlineMs: 30_000 }
const rotations: readonly ((agent: Agent) => Promise<unknown>)[] = [
  (agent) => agent.admin.call(AdminService.method.rotateAuthority, {}, options),
  (agent) => agent.admin.call(AdminService.method.renewIdentities, {}, options),
]

test(`R03: an agent killed ${KILLS} times during rotations: its ${CLIENTS} clients have what verifies at each moment`, async (t) => {
  const seed = Date.now() % 100_000
  t.diagnostic(`seed ${seed}`)
  const random = createSeededRandom(seed)
  const rig = createRig(t)
  let agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    config: { log: { level: 'info' } },
  })
  const crowd = startCrowd(agent.socket, CLIENTS)
  rig.atEnd(() => crowd.close())
  const { members } = crowd
  await eventually('all have a certificate', () => members.every(({ chain }) => chain !== ''))
  let slowest = 0
  for (let kill = 0; kill < KILLS; kill++) {
    // Who is killed in it hears nothing more of it.
    void rotations[kill % rotations.length]?.(agent).catch(() => undefined)
    const wait = (kill % rotations.length === 0 ? LONGEST_WAIT_MS : 50) * random.fraction()
    await new Promise((resolve) => setTimeout(resolve, wait))
    agent.child.signal('SIGKILL')
    await agent.child.ended
    assert.deepEqual(crowdFaults(crowd), [], `kill ${kill}, after ${wait} ms`)
    agent.admin.close()
    agent = await agent.restart()
    const restarted = agent
    rig.atEnd(() => restarted.stop())
    const ready = performance.now()
    const anew = (): boolean => members.every(({ arrivedAt }) => arrivedAt >= ready)
    await eventually('all have another certificate', anew, 5 * GOAL_MS)
    slowest = Math.max(slowest, performance.now() - ready)
    assert.deepEqual(crowdFaults(crowd), [], `after restart ${kill}`)
    const kept = readdirSync(join(agent.folder, 'state')).sort()
    const files = ['.lock', 'authority-embedded.json', 'authority-jwt.json']
    assert.deepEqual(kept, files, 'nothing is torn or set aside')
  }
  t.diagnostic(`all back after ${slowest.toFixed(0)} ms at the latest`)
  assert(slowest < 5 * GOAL_MS)
})
