/** An agent whose server is not there: at its first start, and past the expiry of what it serves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { status } from '../../src/runtime/grpc-status.ts'
import type { Agent } from './rig/agent.ts'
import { addEntry, joining } from './rig/joining.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createWorkloadTestClient } from './rig/workload-client.ts'

const { fetchX509SVID } = SpiffeWorkloadAPI.method

async function readyOf({ http }: Agent): Promise<{ status: number; server: string }> {
  const answer = await fetch(`${http}/ready`)
  const body = (await answer.json()) as { checks: { name: string; detail: string }[] }
  return {
    status: answer.status,
    server: body.checks.find(({ name }) => name === 'server')?.detail ?? '',
  }
}

test('an agent that starts while its server is away is not ready, stays, and joins once it is there', async (t) => {
  const rig = createRig(t)
  const server = await rig.server()
  await addEntry(server, 'a', '/web')
  const { config } = await joining(rig, server, 'a')
  await server.stop()
  const agent = await rig.agent({ config })
  const before = await readyOf(agent)
  assert.equal(before.status, 503)
  assert(before.server.startsWith(server.address), before.server)
  assert.equal(await agent.metric('spindle_agent_server_connected'), 0)
  const back = await server.restart()
  rig.atEnd(() => back.stop())
  await eventually('ready', async () => (await readyOf(agent)).status === 200)
  const client = createWorkloadTestClient(agent.socket)
  const { svids } = await client.stream(fetchX509SVID).next()
  client.close()
  assert.equal(svids[0]?.spiffeId, 'spiffe://example.org/web')
  assert.equal(await agent.metric('spindle_agent_server_connected'), 1)
})

test('an agent whose server stays away serves nothing that has expired, and all of it when the server is back', async (t) => {
  const rig = createRig(t)
  const server = await rig.server()
  await addEntry(server, 'a', '/web', { x509SvidTtl: 10 })
  const { config } = await joining(rig, server, 'a')
  const agent = await rig.agent({ config })
  const client = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => client.close())
  const stream = client.stream(fetchX509SVID)
  const first = await stream.next()
  server.child.signal('SIGKILL')
  await server.child.ended
  await eventually('not ready', async () => (await readyOf(agent)).status === 503)
  assert.match((await readyOf(agent)).server, /1 identity in use cannot be signed/)
  assert.equal(stream.ended, undefined)
  const got = stream.received.length
  const late = client.stream(fetchX509SVID)

  const back = await server.restart()
  rig.atEnd(() => back.stop())
  const { svids } = await stream.next(undefined, got)
  assert.notDeepEqual(svids[0]?.x509Svid, first.svids[0]?.x509Svid)
  // One that waits for longer than 5 s is told to ask again.
  await eventually('the late one is answered', () => late.ended ?? late.received[0])
  if (late.ended !== undefined) assert.equal(late.ended.code, status.UNAVAILABLE)
  const answered = late.ended === undefined ? late : client.stream(fetchX509SVID)
  const fresh = await answered.next()
  for (const told of [fresh, ...late.received])
    assert.notDeepEqual(told.svids[0]?.x509Svid, first.svids[0]?.x509Svid)
  await eventually('ready', async () => (await readyOf(agent)).status === 200)
})
