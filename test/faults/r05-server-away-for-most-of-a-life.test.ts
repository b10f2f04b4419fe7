/** R05: a server that is killed, and back when only a tenth of the life of what it signed is left. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { eventually } from '../e2e/rig/rig.ts'
import { fleetInTime, instant, isConnected, serialsOf } from './fleet-in-time.ts'

const HOUR = 3_600_000
const IDENTITIES = 16
const SLICES = 4
/** Of what is left of a life, in which renewals are spread. */
const SHARE = 0.8

test('R05: while a server is away all is served on; once it is back, renewals are spread over what is left, and none is missed', async (t) => {
  const config = { svid: { ttl: '1h', agentTtl: '12h' } }
  const made = await fleetInTime(t, { identities: IDENTITIES, config })
  if (made === undefined) return
  const { rig, server, agent, client, stream, serverTime, agentTime } = made
  const before = stream.received.length
  const first = serialsOf(stream.received.at(-1))
  const renewed = async (): Promise<number> =>
    (await agent.metric('spindle_agent_rotations_total{result="ok"}')) ?? 0

  server.child.signal('SIGKILL')
  await server.child.ended
  for (const time of [serverTime, agentTime]) time.set(0.9 * HOUR)
  const { child } = agent
  await eventually('noticed', () => child.output().includes('the clock of the machine jumped'))
  // Where the clock jumps, all but a few of them wait for their turn, one a second.
  const tried = async (): Promise<boolean> =>
    (await made.matched()).every(({ fault }) => fault !== '')
  await eventually('each was tried', tried, 60_000)
  assert.equal(stream.received.length, before, 'nothing is sent for want of something new')
  assert.equal(stream.ended, undefined)
  const late = await client.stream(SpiffeWorkloadAPI.method.fetchX509SVID).next()
  assert.deepEqual(serialsOf(late), first, 'who comes now is served')

  const back = await server.restart()
  rig.atEnd(() => back.stop())
  await eventually('the agent is back', () => isConnected(agent))
  const now = Date.now() + 0.9 * HOUR
  const entries = await made.matched()
  const left = Math.max(...entries.map(({ expiresAt }) => instant(expiresAt))) - now
  const dueIn = entries.map(({ renewAt }) => instant(renewAt) - now)
  assert.equal(dueIn.length, IDENTITIES)
  const perSlice = Array.from({ length: SLICES }, (_, slice) => {
    const share = (SHARE * left) / SLICES
    return dueIn.filter((ms) => Math.floor(ms / share) === slice).length
  })
  t.diagnostic(`renewals in each of ${SLICES} slices of what is left: ${perSlice.join(' ')}`)
  assert(Math.max(...dueIn) < left, 'each is due before it expires')
  assert(Math.max(...perSlice) <= (2 * IDENTITIES) / SLICES + 3, 'no burst')

  for (const time of [serverTime, agentTime]) time.set(0.99 * HOUR)
  await eventually('each is renewed', async () => (await renewed()) >= IDENTITIES, 60_000)
  await eventually('and served', () =>
    Array.from(serialsOf(stream.received.at(-1))).every((serial) => !first.has(serial)),
  )
  assert.equal(stream.ended, undefined)
  assert(!child.output().includes('X.509-SVID expired'))
})
