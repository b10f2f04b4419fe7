/** R14: clients that are stopped through ten rotations cost one pending secret each, and then get the newest alone. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { footprintOf } from '../leaks.ts'
import type { Crowd, Member } from './crowd.ts'
import { startCrowd } from './crowd.ts'
import { atScale, SOAK } from './scale.ts'

const STOPPED = atScale(50, 1_000)
const ROTATIONS = 10
const PUSHES = 'spindle_agent_sds_pushes_total{variant="delta",kind="svid"}'
const STREAMS = 'spindle_agent_sds_streams{variant="delta"}'

type Told = Pick<Member, 'chain' | 'certificates' | 'drops'>

interface StoppableCrowd {
  readonly members: () => Promise<readonly Told[]>
  readonly signal: (name: NodeJS.Signals) => void
}

function startStoppable(rig: Rig, socket: string, size: number): StoppableCrowd {
  const script = join(import.meta.dirname, 'crowd-process.ts')
  const child = fork(script, [socket, String(size)], { execArgv: [] })
  rig.atEnd(async () => {
    const over = once(child, 'exit')
    child.kill('SIGKILL')
    await over
  })
  return {
    signal: (name) => void child.kill(name),
    async members() {
      const answer = once(child, 'message')
      child.send('members')
      const [members] = (await answer) as [readonly Told[]]
      return members
    },
  }
}

async function rotate(agent: Agent, valid: Crowd): Promise<void> {
  const [member] = valid.members
  const next = (member?.certificates ?? 0) + 1
  await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 30_000 })
  await eventually('who reads has the next', () => member?.certificates === next)
}

test(`R14: ${STOPPED} stopped clients: memory is bounded, one secret waits, and the newest comes after it`, async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    config: { limits: { connectionsPerUid: STOPPED + 10 }, log: { level: 'info' } },
  })
  const valid = startCrowd(agent.socket, 1)
  rig.atEnd(() => valid.close())
  const crowd = startStoppable(rig, agent.socket, STOPPED)
  const count = async (certificates: number): Promise<boolean> =>
    (await crowd.members()).every((member) => member.certificates === certificates)
  await eventually('all have a certificate', () => count(1))
  await rotate(agent, valid)
  await eventually('all have the second', () => count(2))
  const pushed = (await agent.metric(PUSHES)) ?? 0
  const before = footprintOf(agent.child.pid)

  crowd.signal('SIGSTOP')
  for (let rotation = 0; rotation < ROTATIONS; rotation++) await rotate(agent, valid)
  const meanwhile = ((await agent.metric(PUSHES)) ?? 0) - pushed
  assert.equal(meanwhile, ROTATIONS + STOPPED, 'one for each that is stopped, all for who reads')
  const grownBy = (footprintOf(agent.child.pid)?.rssBytes ?? 0) - (before?.rssBytes ?? 0)
  t.diagnostic(`memory grown by ${(grownBy / 2 ** 20).toFixed(1)} MB`)
  assert(grownBy < 16 * 2 ** 20, `${grownBy} bytes`)

  crowd.signal('SIGCONT')
  await eventually('what waited, and the newest', () => count(4))
  const newest = valid.members[0]?.chain
  for (const { chain, drops } of await crowd.members()) {
    assert.equal(chain, newest)
    assert.equal(drops, 0)
  }
})

test('R14: a client that stays stopped is hung up on, its streams with it', async (t) => {
  if (!SOAK) return t.skip('takes two minutes: npm run soak')
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    config: { limits: { connectionsPerUid: STOPPED + 10 }, log: { level: 'info' } },
  })
  const crowd = startStoppable(rig, agent.socket, STOPPED)
  await eventually('all are there', async () => (await agent.metric(STREAMS)) === STOPPED)
  crowd.signal('SIGSTOP')
  await eventually('none is left', async () => (await agent.metric(STREAMS)) === 0, 150_000)
})
