import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { parseCertificate } from '../../../../../src/certs/parse.ts'
import { id } from '../../../../fakes/store-values.ts'
import { csr, key, serialOf, setUp } from './setting.ts'
import { bearer } from '../setting.ts'

const { createJoinToken, getAgent, renewAgent } = Agent.method
const gone = {
  code: 3,
  details: 'failed to attest: join token does not exist or has already been used',
}

test('a token lets one node in, once, with an X.509-SVID of its agent', async (t) => {
  const { attest, call, store, audited, clock } = await setUp(t)
  const token = await call(createJoinToken, { ttl: 600 })
  assert.match(token.value, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.equal(token.expiresAt, BigInt(clock.now() / 1_000 + 600))
  assert.deepEqual(
    audited().map(({ event, ...fields }) => ({ event, key: 'key' in fields && fields.key })),
    [{ event: 'changed', key: '' }],
  )
  const result = await attest('join_token', token.value)
  const path = `/spire/agent/join_token/${token.value}`
  assert.equal(result.reattestable, false)
  assert.deepEqual([result.svid?.id?.trustDomain, result.svid?.id?.path], ['example.org', path])
  const leaf = parseCertificate(result.svid!.certChain[0]!, 'the SVID')
  assert.deepEqual(leaf.uriSans, [id(path)])
  assert.ok(leaf.spki.equals(key.spki))
  assert.equal(result.svid?.expiresAt, BigInt(leaf.notAfter / 1_000))
  assert.deepEqual(await store.agents.get(id(path)), {
    id: id(path),
    attestationType: 'join_token',
    serial: serialOf(result),
    expiresAt: leaf.notAfter,
    canReattest: false,
    banned: false,
    version: '',
    selectors: [],
  })
  const [issued] = audited()
  assert.ok(issued?.event === 'issued')
  assert.deepEqual([issued.issued, issued.spiffeId], ['agent-svid', id(path)])
  await assert.rejects(attest('join_token', token.value), gone)
})

test('an agent renews, and its next SVID is pending until it is used', async (t) => {
  const { attest, call, store, become } = await setUp(t)
  const { value } = await call(createJoinToken, { ttl: 600 })
  const first = await attest('join_token', value)
  const agentId = id(`/spire/agent/join_token/${value}`)
  become(bearer(agentId))
  const { svid } = await call(renewAgent, { params: { csr } })
  const leaf = parseCertificate(svid!.certChain[0]!, 'the SVID')
  const agent = await store.agents.get(agentId)
  assert.equal(agent?.serial, serialOf(first))
  assert.deepEqual(agent?.pending, {
    serial: BigInt(`0x${leaf.serial}`).toString(),
    expiresAt: leaf.notAfter,
  })
  become({ kind: 'local', uid: 0, pid: 1 })
  const shown = await call(getAgent, {
    id: { trustDomain: 'example.org', path: agentId.slice(20) },
  })
  assert.equal(shown.x509svidSerialNumber, serialOf(first))
})
