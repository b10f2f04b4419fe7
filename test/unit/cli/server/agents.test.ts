import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import type { DeleteAgentRequest, ListAgentsRequest } from '#spire/api/server/agent/v1/agent_pb.js'
import { serviceDefinition } from '../../../../src/wire/service.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { command, masked, startOperator } from './setting.ts'

const AGENT = `SPIFFE ID         : spiffe://example.org/spire/agent/join_token/UUID
Attestation type  : join_token
Expiration time   : INSTANT
Serial number     : SERIAL
Can re-attest     : false

`

test("agent list, count, show, evict and ban print what SPIRE's do", async (t) => {
  const { spindle, out, attest } = await startOperator(t)
  assert.equal(await out('agent list'), 'No attested agents found\n')
  const [first, second] = [await attest(), await attest()]
  assert.equal(masked(await out('agent list')), `Found 2 attested agents:\n\n${AGENT}${AGENT}`)
  assert.equal(await out('agent count'), '2 attested agents\n')
  const shown = await out(`agent show -spiffeID ${first}`)
  assert.equal(masked(shown), `Found an attested agent given its SPIFFE ID\n\n${AGENT}`)
  assert.equal(await out(`agent evict -spiffeID ${first}`), 'Agent evicted successfully\n')
  assert.equal(await out(`agent ban -spiffeID ${second}`), 'Agent banned successfully\n')
  const banned = AGENT.replace('Serial number     : SERIAL', 'Banned            : true')
  assert.equal(masked(await out('agent list')), `Found 1 attested agent:\n\n${banned}`)
  const { code, err } = await spindle(`agent show -spiffeID ${first}`)
  assert.equal(code, 1)
  assert.match(err, /^spindle: agent not found\n.+\(not_found\)\n$/)
})

test('agent list shows those that are asked for', async (t) => {
  const { spindle, out, attest } = await startOperator(t)
  await out(`agent ban -spiffeID ${await attest()}`)
  await attest()
  const count = async (flags: string): Promise<number> => {
    const { agents } = JSON.parse(await out(`agent list -output json ${flags}`)) as {
      agents: unknown[]
    }
    assert.match(await out(`agent count ${flags}`), new RegExp(`^${agents.length} `))
    return agents.length
  }
  assert.equal(await count('-banned true'), 1)
  assert.equal(await count('-banned=false'), 1)
  assert.equal(await count('-canReattest true'), 0)
  assert.equal(await count('-attestationType join_token'), 2)
  assert.equal(await count('-attestationType x509pop'), 0)
  assert.equal(await count('-selector a:b'), 0)
  assert.equal(await count('--expires-before 2001-01-01T00:00:00Z'), 0)
  assert.equal(await count('--expires-before 2101-01-01T00:00:00Z'), 2)
  const spires = ['agent', 'count', '-expiresBefore', '2101-01-01 00:00:00 +0000 +00']
  assert.equal(await out(spires), '2 attested agents\n')
  assert.equal((await spindle('agent list -expiresBefore soon')).code, 2)
})

/** A server that has two pages of agents and forgets those it may. */
async function startPages(t: TestContext, forgotten: string[]): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const agent = (name: string, hoursAgo: number) => ({
    id: { trustDomain: 'example.org', path: `/spire/agent/${name}` },
    x509svidExpiresAt: BigInt(now - hoursAgo * 3600),
  })
  const pages: Readonly<Record<string, ReturnType<typeof agent>[]>> = {
    '': [agent('old', 800), agent('fresh', -1)],
    second: [agent('held', 900), agent('late', 700)],
  }
  const server = new grpc.Server()
  server.addService(serviceDefinition(Agent), {
    ListAgents({ request }: Call<ListAgentsRequest>, done: Done) {
      assert.equal(request.filter?.byCanReattest, true)
      const nextPageToken = request.pageToken === '' ? 'second' : ''
      const agents = pages[request.pageToken] ?? []
      done(null, create(Agent.method.listAgents.output, { agents, nextPageToken }))
    },
    DeleteAgent({ request }: Call<DeleteAgentRequest>, done: Done) {
      const { path = '' } = request.id ?? {}
      if (path.endsWith('held')) return done({ code: 14, details: 'not now' })
      forgotten.push(path)
      done(null, create(Agent.method.deleteAgent.output))
    },
  })
  const socket = join(temporaryFolder(t), 'server.sock')
  await new Promise((resolve) => {
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), resolve)
  })
  t.after(() => server.forceShutdown())
  return socket
}

interface Call<T> {
  readonly request: T
}
type Done = (failure: object | null, answer?: object) => void

test('agent purge forgets, of all pages, agents that expired long enough ago, and says which it could not', async (t) => {
  const forgotten: string[] = []
  const socket = await startPages(t, forgotten)
  const held = 'spiffe://example.org/spire/agent/held'
  const old = 'spiffe://example.org/spire/agent/old'
  assert.deepEqual(await command(['agent', 'purge', '-dryRun', '-socketPath', socket]), {
    code: 0,
    out: `Found 2 expired agents\n\n\nAgents that can be purged:\nSPIFFE ID         : ${old}\nSPIFFE ID         : ${held}\n`,
    err: '',
  })
  assert.deepEqual(forgotten, [])
  assert.deepEqual(await command(['agent', 'purge', '-socketPath', socket]), {
    code: 1,
    out: `Found 2 expired agents

Agents purged:
SPIFFE ID         : ${old}
Agents not purged:
SPIFFE ID         : ${held}
Error             : not now
`,
    err: '',
  })
  assert.deepEqual(forgotten, ['/spire/agent/old'])
  const { out } = await command([
    'agent',
    'purge',
    '-expiredFor',
    '890h',
    '-o',
    'json',
    '-socketPath',
    socket,
  ])
  assert.deepEqual(JSON.parse(out), {
    expired_agents: [{ agent_id: held, deleted: false, error: 'not now' }],
  })
})

test('agent purge has nothing to say of agents that could not attest anew', async (t) => {
  const { out, attest } = await startOperator(t)
  await attest()
  assert.equal(await out('agent purge -expiredFor 0s'), 'No agents to purge.\n')
  assert.deepEqual(JSON.parse(await out('agent purge -dryRun -output json')), {
    expired_agents: [],
  })
  assert.equal(await out('agent count'), '1 attested agent\n')
})

test('token generate prints a token, for an alias and a life that are asked for', async (t) => {
  const { spindle, out } = await startOperator(t)
  const text = await out('token generate -spiffeID spiffe://example.org/host -ttl 60')
  assert.equal(masked(text), 'Token: UUID\n')
  assert.deepEqual(Object.keys(JSON.parse(await out('token generate -output json')) as object), [
    'value',
    'expires_at',
  ])
  assert.equal((await spindle('token generate -ttl soon')).code, 2)
})
