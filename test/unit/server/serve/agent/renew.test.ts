import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import type { ServiceError } from '@grpc/grpc-js'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { PermissionDeniedDetailsSchema } from '#spire/api/types/status_pb.js'
import { parseCertificate, serialNumberOf } from '../../../../../src/certs/parse.ts'
import { StatusSchema } from '../../../../../src/gen/google/rpc/status_pb.js'
import type { AttestedAgent } from '../../../../../src/store/model.ts'
import { agent, id } from '../../../../fakes/store-values.ts'
import { bearer } from '../setting.ts'
import { csr, key, setUp } from './setting.ts'

const { renewAgent, postStatus } = Agent.method
const PATH = '/spire/agent/join_token/a'
const ID = id(PATH)

async function joined(t: TestContext, more: Partial<AttestedAgent> = {}) {
  const setting = await setUp(t)
  await setting.store.agents.change(ID, () => agent(PATH, { serial: '77', ...more }))
  setting.become(bearer(ID))
  return setting
}

test('RenewAgent: the next SVID is pending, and the one before stays', async (t) => {
  const { call, registry, audited } = await joined(t)
  const { svid } = await call(renewAgent, { params: { csr } })
  const leaf = parseCertificate(svid!.certChain[0]!, 'the SVID')
  assert.deepEqual(leaf.uriSans, [ID])
  assert.ok(leaf.spki.equals(key.spki))
  assert.deepEqual([svid?.id?.path, svid?.expiresAt], [PATH, BigInt(leaf.notAfter / 1_000)])
  const [issued] = audited()
  assert.ok(issued?.event === 'issued')
  const serial = serialNumberOf(svid!.certChain[0]!)
  assert.deepEqual([issued.serial, issued.expiresAt], [serial, leaf.notAfter])
  const known = registry.agent(ID)
  assert.equal(known?.serial, '77')
  assert.deepEqual(known.pending, { serial, expiresAt: leaf.notAfter })
  // One that was not used is replaced by the next.
  const next = await call(renewAgent, { params: { csr } })
  assert.equal(registry.agent(ID)?.pending?.serial, serialNumberOf(next.svid!.certChain[0]!))
})

test('RenewAgent refuses who has to attest, is banned or gone, with SPIRE’s reasons', async (t) => {
  const { call, store, audited, signer } = await joined(t, { canReattest: true })
  const reasonOf = (error: ServiceError) => {
    const [bytes] = error.metadata.get('grpc-status-details-bin')
    const [detail] = bytes === undefined ? [] : fromBinary(StatusSchema, bytes as Buffer).details
    return detail && anyUnpack(detail, PermissionDeniedDetailsSchema)?.reason
  }
  const refused = (code: number, details: string, reason?: number) =>
    assert.rejects(call(renewAgent, { params: { csr } }), (error: ServiceError) => {
      assert.deepEqual([error.code, error.details, reasonOf(error)], [code, details, reason])
      const [denial] = audited()
      assert.ok(denial?.event === 'denied')
      assert.deepEqual([denial.reason, denial.detail], ['renewal', details])
      return true
    })
  await refused(7, 'agent must reattest instead of renew', 5)
  await store.agents.change(ID, () => agent(PATH, { banned: true }))
  await refused(7, 'failed to renew: agent is banned', 4)
  await store.agents.change(ID, () => undefined)
  await refused(5, 'agent not found')
  assert.equal(signer.signed, 0)
  await store.agents.change(ID, () => agent(PATH, { serial: '77' }))
  signer.before = () => store.agents.change(ID, () => undefined)
  await refused(5, 'agent not found')
  assert.equal(await store.agents.get(ID), undefined)
  const known = agent(PATH, { serial: '77' })
  await store.agents.change(ID, () => known)
  signer.before = () => store.agents.change(ID, () => ({ ...known, banned: true }))
  await refused(7, 'failed to renew: agent is banned', 4)
  assert.deepEqual(await store.agents.get(ID), { ...known, banned: true })
})

test('RenewAgent gives nothing for an SVID of before the node was evicted and attested anew', async (t) => {
  const { call, store, audited, signer } = await joined(t)
  const anew = agent(PATH, { serial: '78' })
  signer.before = async () => {
    await store.agents.change(ID, () => undefined)
    await store.agents.change(ID, () => anew)
  }
  const refused = {
    code: 7,
    details: 'authorization denied for method /spire.api.server.agent.v1.Agent/RenewAgent',
  }
  // While it is signed for, and before.
  for (const signed of [1, 1]) {
    await assert.rejects(call(renewAgent, { params: { csr } }), refused)
    assert.equal(signer.signed, signed)
    assert.deepEqual(await store.agents.get(ID), anew)
  }
  assert.deepEqual(
    audited().map(({ event }) => event),
    ['denied', 'denied'],
  )
  signer.before = undefined
  // The one it was given last, and has not shown yet.
  await store.agents.change(ID, () => ({ ...anew, pending: { serial: '77', expiresAt: 9 } }))
  await call(renewAgent, { params: { csr } })
})

test('RenewAgent wants a CSR that is one', async (t) => {
  const { call } = await joined(t)
  await assert.rejects(call(renewAgent, {}), { code: 3, details: 'params cannot be nil' })
  await assert.rejects(call(renewAgent, { params: {} }), { code: 3, details: 'missing CSR' })
  await assert.rejects(call(renewAgent, { params: { csr: Buffer.of(1) } }), {
    code: 3,
    details: /^failed to parse CSR: /,
  })
})

test('PostStatus: what an agent says it runs is kept, where it says something', async (t) => {
  const { call, store, audited } = await joined(t)
  const version = async () => (await store.agents.get(ID))?.version
  await call(postStatus, { agentVersion: '1.16.0', currentBundleSerial: 3n })
  assert.equal(await version(), '1.16.0')
  // Agents say it over and over: it is told where it is another.
  await call(postStatus, { agentVersion: '1.16.0' })
  assert.deepEqual(
    audited().map((event) => 'action' in event && event.action),
    ['version'],
  )
  await call(postStatus, {})
  assert.equal(await version(), '1.16.0')
  const long = { code: 3, details: 'agent version is too long (max 255 characters)' }
  await assert.rejects(call(postStatus, { agentVersion: 'x'.repeat(256) }), long)
  await assert.rejects(call(postStatus, { agentVersion: 'ä'.repeat(128) }), long)
  await assert.rejects(call(postStatus, { agentVersion: 'a\nb' }), { code: 3 })
  await call(postStatus, { agentVersion: 'x'.repeat(255) })
  await store.agents.change(ID, () => undefined)
  await assert.rejects(call(postStatus, { agentVersion: '2' }), { code: 5 })
  assert.equal(await store.agents.get(ID), undefined)
})

test('PostStatus is answered ten times a second', async (t) => {
  const { call, clock } = await joined(t)
  const idle = clock.pending
  // What is too long is refused before it would stand in line.
  for (let at = 0; at < 11; at++)
    await assert.rejects(call(postStatus, { agentVersion: 'x'.repeat(256) }), { code: 3 })
  await Promise.all(Array.from({ length: 10 }, () => call(postStatus, { agentVersion: 'a' })))
  let answered = false
  const next = call(postStatus, { agentVersion: 'a' }).then(() => (answered = true))
  while (clock.pending === idle) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(answered, false)
  await clock.advance(100)
  await next
})
