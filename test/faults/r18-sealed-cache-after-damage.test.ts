/**
 * R18: what an agent with a server keeps sealed is damaged while it is down. It starts, serves nothing by it, says what to do, and is
 * there again when that was done: a new token for the node, or copies put back.
 */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import { addEntry, joining, newToken } from '../e2e/rig/joining.ts'
import { createRig, eventually, write } from '../e2e/rig/rig.ts'
import { createWorkloadTestClient } from '../e2e/rig/workload-client.ts'
import { flipBit, tear } from './damage.ts'

const { fetchX509SVID } = SpiffeWorkloadAPI.method
const NEW_TOKEN =
  /node\.sealed\.set-aside-.* token .*put the copies of node\.sealed and cache\.key back together/

/** @returns the serial number of what is served: who asks before there is something is to ask again */
async function expectServed({ socket }: Agent): Promise<string> {
  const client = createWorkloadTestClient(socket)
  try {
    const { svids } = await eventually('it is served', () => client.stream(fetchX509SVID).next())
    assert.deepEqual(
      svids.map(({ spiffeId }) => spiffeId),
      ['spiffe://example.org/web'],
    )
    return new X509Certificate(svids[0]?.x509Svid ?? '').serialNumber
  } finally {
    client.close()
  }
}

/** An agent that has joined, served, and ended; and its server. */
async function joined(t: TestContext) {
  const rig = createRig(t)
  const server = await rig.server()
  const { config, tokenFile } = await joining(rig, server, 'a')
  await addEntry(server, 'a', '/web')
  const first = await rig.agent({ config })
  const serial = await expectServed(first)
  await first.stop()
  const stateDir = join(first.folder, 'state')
  const cached = join(first.folder, 'run/cache/agent')
  return {
    rig,
    server,
    serial,
    tokenFile,
    node: join(stateDir, 'node.sealed'),
    key: join(stateDir, 'cache.key'),
    aside: () =>
      [...readdirSync(stateDir), ...readdirSync(cached)]
        .filter((name) => name.includes('.set-aside-'))
        .map((name) => name.replace(/\.set-aside-.*/, ''))
        .sort(),
    async restart(before: Agent = first): Promise<Agent> {
      const agent = await before.restart()
      rig.atEnd(() => agent.stop())
      return agent
    },
  }
}

test('R18: an agent whose node.sealed was damaged waits for a new token, and serves what it kept of its identities then', async (t) => {
  const made = await joined(t)
  flipBit(made.node)
  const damaged = readFileSync(made.node)
  const agent = await made.restart()
  assert.match(agent.child.output(), NEW_TOKEN)
  assert.deepEqual(made.aside(), ['node.sealed'])
  const aside = /movedTo=(\S+)/.exec(agent.child.output())?.[1] ?? ''
  assert(readFileSync(aside).equals(damaged), 'it is kept as it is')
  await eventually('the used token is refused', () =>
    /the agent is not attested: .*join token/.test(agent.child.output()),
  )
  assert.equal((await fetch(`${agent.http}/ready`)).status, 503)
  write(made.tokenFile, await newToken(made.server, 'a'))
  assert.equal(await expectServed(agent), made.serial)
})

test('R18: an agent whose cache.key was damaged sets aside what it sealed; a new token brings it back, and so do copies', async (t) => {
  const made = await joined(t)
  const copies = [made.node, made.key] as const
  for (const path of copies) copyFileSync(path, `${path}.copy`)
  tear(made.key)
  const agent = await made.restart()
  assert.match(agent.child.output(), NEW_TOKEN)
  assert.deepEqual(made.aside(), ['cache.key', 'identities.sealed', 'node.sealed'])
  write(made.tokenFile, await newToken(made.server, 'a'))
  await expectServed(agent)

  await agent.stop()
  for (const path of copies) copyFileSync(`${path}.copy`, path)
  write(made.tokenFile, 'used up')
  const again = await made.restart(agent)
  await expectServed(again)
  assert(!again.child.output().includes('node.sealed.set-aside-'))
})
