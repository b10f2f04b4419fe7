/** An agent that joined a server by a token: pushed what changes, serving on while the server is away, killed and started again then. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MessageShape } from '@bufbuild/protobuf'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import type { Child } from '../../src/os/child.ts'
import type { Agent } from './rig/agent.ts'
import { addEntry, isKept, joining, newToken } from './rig/joining.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createWorkloadTestClient } from './rig/workload-client.ts'

const { fetchX509SVID } = SpiffeWorkloadAPI.method
type Update = MessageShape<(typeof fetchX509SVID)['output']>

const idsOf = ({ svids }: Update): readonly string[] => svids.map(({ spiffeId }) => spiffeId)
const serialOf = ({ svids }: Update, at = 0): string =>
  new X509Certificate(svids[at]?.x509Svid ?? new Uint8Array()).serialNumber

async function killed(child: Child): Promise<void> {
  child.signal('SIGKILL')
  await child.ended
}

async function readyOf(agent: Agent): Promise<{ status: number; server: string }> {
  const answer = await fetch(`${agent.http}/ready`)
  const body = (await answer.json()) as { checks: { name: string; detail: string }[] }
  const server = body.checks.find(({ name }) => name === 'server')?.detail ?? ''
  return { status: answer.status, server }
}

test('an agent with a server is pushed what changes, and goes on while the server is away', async (t) => {
  const rig = createRig(t)
  const server = await rig.server()
  const { config, tokenFile } = await joining(rig, server, 'a')
  let agent = await rig.agent({ config })
  await addEntry(server, 'a', '/web')
  await eventually('the node has joined', async () => (await readyOf(agent)).status === 200)
  writeFileSync(tokenFile, 'used up')
  const client = createWorkloadTestClient(agent.socket)
  const stream = client.stream(fetchX509SVID)
  const first = await stream.next((update) => update.svids.length === 1)
  assert.deepEqual(idsOf(first), ['spiffe://example.org/web'])
  const before = stream.received.length
  await addEntry(server, 'b', '/other')
  const since = Date.now()
  await addEntry(server, 'a', '/batch')
  const both = await stream.next((update) => update.svids.length === 2)
  assert.equal(stream.received.length, before + 1, "another node's entry pushes nothing")
  const status = await agent.admin.call(AdminService.method.getStatus, {}, { deadlineMs: 20_000 })
  assert.equal(status.server?.protocol, 'sync')
  assert.match(status.server?.agentId ?? '', /^spiffe:\/\/example\.org\/spire\/agent\/join_token\//)

  await killed(server.child)
  await eventually('the agent misses it', async () => (await readyOf(agent)).server.includes(';'))
  assert.equal((await readyOf(agent)).status, 200)
  assert.equal(stream.ended, undefined, 'no stream is closed for it')

  await eventually('both are kept', () => isKept(agent, since))
  client.close()
  await killed(agent.child)
  agent = await agent.restart()
  rig.atEnd(() => agent.stop())
  const started = performance.now()
  const again = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => again.close())
  const restored = await again.stream(fetchX509SVID).next()
  assert(performance.now() - started < 1_000, `${performance.now() - started} ms`)
  assert.deepEqual(idsOf(restored), idsOf(both))
  assert.deepEqual([serialOf(restored), serialOf(restored, 1)], [serialOf(both), serialOf(both, 1)])

  const back = await server.restart()
  rig.atEnd(() => back.stop())
  await eventually('connected again', async () =>
    (await readyOf(agent)).server.includes('connected'),
  )
  const third = again.stream(fetchX509SVID)
  await addEntry(back, 'a', '/third')
  await third.next((update) => idsOf(update).includes('spiffe://example.org/third'))
})

for (const name of ['run/cache/agent/identities.sealed', 'state/node.sealed'])
  test(`an agent whose ${name} was damaged says what to do, which helps`, async (t) => {
    const rig = createRig(t)
    const server = await rig.server()
    const { config, tokenFile } = await joining(rig, server, 'a')
    let agent = await rig.agent({ config })
    await addEntry(server, 'a', '/web')
    const client = createWorkloadTestClient(agent.socket)
    await client.stream(fetchX509SVID).next()
    await agent.stop()
    client.close()
    const sealed = join(agent.folder, name)
    const bytes = readFileSync(sealed)
    bytes[bytes.length >> 1]! ^= 4
    writeFileSync(sealed, bytes)
    agent = await agent.restart()
    rig.atEnd(() => agent.stop())
    const said = agent.child.output()
    assert(said.includes(`${sealed}.set-aside-`), said)
    if (name.startsWith('run')) assert.match(said, /Nothing is to be done/)
    else {
      assert.match(said, /run `spindle token generate`.*put the token into .*joining-a\/token/)
      writeFileSync(tokenFile, await newToken(server, 'a'))
    }
    const again = createWorkloadTestClient(agent.socket)
    rig.atEnd(() => again.close())
    const update = await eventually('an SVID', () => again.stream(fetchX509SVID).next())
    assert.deepEqual(idsOf(update), ['spiffe://example.org/web'])
  })
