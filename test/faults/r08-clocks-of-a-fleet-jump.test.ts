/** R08: the wall clocks of a server and of its agent jump by an hour, either way: of both, and of one alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { addEntry } from '../e2e/rig/joining.ts'
import { eventually } from '../e2e/rig/rig.ts'
import { certificatesOf, fleetInTime, isConnected } from './fleet-in-time.ts'
import type { FleetInTime, Update } from './fleet-in-time.ts'

const HOUR = 3_600_000
/** One hour of these is more than is left at half-life, and less than all. */
const config = { svid: { ttl: '2h', agentTtl: '12h' } }
const { fetchX509SVID } = SpiffeWorkloadAPI.method

/** Whether all of it, as many as that, is valid by a clock that is `offsetMs` from the right one. */
function isValid(update: Update | undefined, count: number, offsetMs: number): boolean {
  const now = Date.now() + offsetMs
  const all = certificatesOf(update)
  return (
    all.length === count &&
    all.every(({ validFromDate, validToDate }) => +validFromDate <= now && now < +validToDate)
  )
}

/** What a caller has that was there before, and one that comes now, is valid; the registry's changes still come. */
async function expectValid(made: FleetInTime, count: number, offsetMs: number): Promise<void> {
  const { agent, client, stream, server } = made
  await eventually('all is valid', () => isValid(stream.received.at(-1), count, offsetMs))
  await addEntry(server, 'a', `/new/${count}`)
  await stream.next(({ svids }) => svids.length === count + 1)
  assert(isValid(stream.received.at(-1), count + 1, offsetMs), 'what is new is valid')
  assert(isValid(await client.stream(fetchX509SVID).next(), count + 1, offsetMs))
  assert.equal(stream.ended, undefined)
  await eventually('connected', () => isConnected(agent))
  assert.equal((await fetch(`${agent.http}/ready`)).status, 200)
}

/** Sets clocks, and resolves once the agent has seen that. */
async function jump({ agent }: FleetInTime, set: () => void): Promise<void> {
  const jumps = (): number => agent.child.output().split('the clock of the machine jumped').length
  const before = jumps()
  set()
  await eventually('the jump is noticed', () => jumps() > before)
}

async function bothJump(t: TestContext): Promise<void> {
  const made = await fleetInTime(t, { identities: 3, config })
  if (made === undefined) return
  for (const [at, offset] of [HOUR, 0].entries()) {
    await jump(made, () => {
      made.serverTime.set(offset)
      made.agentTime.set(offset)
    })
    await expectValid(made, 3 + at, offset)
  }
}

async function agentJumps(t: TestContext, offset: number): Promise<void> {
  const made = await fleetInTime(t, { identities: 3, config })
  if (made === undefined) return
  const { agent, agentTime, stream } = made
  await jump(made, () => agentTime.set(offset))
  // By the right clock, which is that of the peers.
  assert(isValid(stream.received.at(-1), 3, 0))
  assert.equal(stream.ended, undefined)
  await jump(made, () => agentTime.set(0))
  await expectValid(made, 3, 0)
  assert(!agent.child.output().includes('X.509-SVID expired'))
}

// A clock is looked at each ten seconds: they wait beside each other.
test('R08: clocks of a server and its agent jump by an hour', { concurrency: 3 }, async (t) => {
  await Promise.all([
    t.test('both, and back: all that is served is valid by them', bothJump),
    t.test(
      "the agent's alone, ahead and back: what it serves stays, and its rotation goes on",
      (each) => agentJumps(each, HOUR),
    ),
    t.test(
      "the agent's alone, back and ahead: what it serves stays, and its rotation goes on",
      (each) => agentJumps(each, -HOUR),
    ),
  ])
})
