/** R06: a server that hangs, or is gone, until all it signed has expired. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { newToken } from '../e2e/rig/joining.ts'
import { eventually, write } from '../e2e/rig/rig.ts'
import { certificatesOf, fleetInTime, isConnected } from './fleet-in-time.ts'
import type { FleetInTime } from './fleet-in-time.ts'

const HOUR = 3_600_000
const IDENTITIES = 5

/** The wall clocks are later than all that was signed: nothing of it is served, and the agent says so and stays. */
async function expectNothingServed(made: FleetInTime, laterMs: number): Promise<void> {
  const { agent, client, stream, serverTime, agentTime } = made
  const before = stream.received.length
  for (const time of [serverTime, agentTime]) time.set(laterMs)
  await eventually(
    'each has expired',
    () => agent.child.output().split('X.509-SVID expired').length > IDENTITIES,
  )
  const late = client.stream(SpiffeWorkloadAPI.method.fetchX509SVID)
  assert.equal((await fetch(`${agent.http}/ready`)).status, 503)
  assert.equal(stream.received.length, before)
  assert.equal(stream.ended, undefined, 'no stream is closed for it')
  assert.equal(late.received.length, 0, 'nothing expired is served')
  late.close()
}

/** What came to the caller that stayed, and what comes to one that is new, is valid by then. */
async function expectHealed(
  { agent, client, stream }: FleetInTime,
  laterMs: number,
): Promise<void> {
  const isValid = (update: ReturnType<typeof stream.received.at>): boolean => {
    const now = Date.now() + laterMs
    const all = certificatesOf(update)
    return (
      all.length === IDENTITIES &&
      all.every(({ validFromDate, validToDate }) => +validFromDate <= now && now < +validToDate)
    )
  }
  await eventually('all is served again', () => isValid(stream.received.at(-1)))
  const late = await client.stream(SpiffeWorkloadAPI.method.fetchX509SVID).next()
  assert(isValid(late))
  assert.equal(stream.ended, undefined)
  await eventually('ready', async () => (await fetch(`${agent.http}/ready`)).status === 200)
}

test('R06: a server that hangs until all has expired: nothing expired is served, and all is back by itself when it goes on', async (t) => {
  const config = { svid: { ttl: '1h', agentTtl: '12h' } }
  const made = await fleetInTime(t, { identities: IDENTITIES, config })
  if (made === undefined) return
  const { child } = made.server
  child.signal('SIGSTOP')
  t.after(() => child.signal('SIGCONT'))
  await expectNothingServed(made, 1.1 * HOUR)
  child.signal('SIGCONT')
  await expectHealed(made, 1.1 * HOUR)
})

test('R06: a server that is gone until the SVID of the agent has expired too: the node joins anew by the next token, without a restart', async (t) => {
  const made = await fleetInTime(t, { identities: IDENTITIES })
  if (made === undefined) return
  const { rig, server, agent, tokenFile } = made
  server.child.signal('SIGKILL')
  await server.child.ended
  await expectNothingServed(made, 2 * HOUR)
  const back = await server.restart()
  rig.atEnd(() => back.stop())
  write(tokenFile, await newToken(back, 'a'))
  await eventually('the agent has joined anew', () => isConnected(agent))
  await expectHealed(made, 2 * HOUR)
})
