import assert from 'node:assert/strict'
import { test } from 'node:test'
import { masked, startOperator } from './setting.ts'

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

test('agent purge leaves agents that could not attest anew', async (t) => {
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
