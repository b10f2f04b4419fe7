import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { fromBinary } from '@bufbuild/protobuf'
import type { ServiceError } from '@grpc/grpc-js'
import { StatusSchema } from '../../../../../src/gen/google/rpc/status_pb.js'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { PermissionDeniedDetailsSchema } from '#spire/api/types/status_pb.js'
import { SpindleError } from '../../../../../src/runtime/errors.ts'
import type { NodeAttestor } from '../../../../../src/server/enroll/attest/attestor.ts'
import type { ServerPeer } from '../../../../../src/server/admit/peer.ts'
import { settle } from '../../../../fakes/clock.ts'
import { id, selectors } from '../../../../fakes/store-values.ts'
import { bearer } from '../setting.ts'
import { believing, NODE } from './believing.ts'
import { csr, HOUR, serialOf, setUp, when } from './setting.ts'

const remote = (address: string): ServerPeer => ({ kind: 'remote', address, svid: undefined })

/** What a refusal of SPIRE's says to its agents. */
function reasonOf(error: ServiceError): number | undefined {
  const [bytes] = error.metadata.get('grpc-status-details-bin')
  const [detail] = fromBinary(StatusSchema, bytes as Buffer).details
  return anyUnpack(detail!, PermissionDeniedDetailsSchema)?.reason
}

test('each challenge goes to the node, and each answer to the attestor', async (t) => {
  const attestor = believing()
  const { attest } = await setUp(t, { attestors: () => [attestor] })
  const asked: number[] = []
  const result = await attest('fake', 'xyz', {
    answer(challenge) {
      asked.push(...challenge)
      return Buffer.from(`answer ${challenge[0]}`)
    },
  })
  assert.deepEqual(
    [asked, attestor.answers],
    [
      [1, 2],
      ['answer 1', 'answer 2'],
    ],
  )
  assert.equal(result.reattestable, true)
})

test('an agent that attests again has a new SVID and new selectors, at once', async (t) => {
  const [one, two] = [believing(), believing({ selectors: selectors('fake:b:2', 'fake:b:2') })]
  let attestor = one
  const current = {
    type: 'fake',
    attest: (...all: Parameters<NodeAttestor['attest']>) => attestor.attest(...all),
  }
  const { attest, store, registry, audited } = await setUp(t, { attestors: () => [current] })
  await attest('fake', 'x')
  await store.agents.change(NODE, (agent) => ({
    ...agent!,
    version: '1.2.3',
    pending: { serial: '9', expiresAt: 9 },
  }))
  attestor = two
  audited()
  const result = await attest('fake', 'x')
  const agent = registry.agent(NODE)
  assert.equal(agent?.serial, serialOf(result))
  assert.deepEqual(agent.selectors, ['fake:b:2'])
  assert.deepEqual(
    audited().map((event) => [event.event, 'action' in event && event.action]),
    [
      ['changed', 'attest fake'],
      ['issued', false],
    ],
  )
  assert.deepEqual([agent.version, agent.pending], ['1.2.3', undefined])
})

const MALFORMED = [
  [{ case: 'challengeResponse', value: new Uint8Array() }, 'missing params'],
  [{ case: 'params', value: {} }, 'missing attestation data'],
  [{ case: 'params', value: { data: { type: 'a' } } }, 'missing X509-SVID parameters'],
  [{ case: 'params', value: { data: {}, params: {} } }, 'missing CSR'],
  [{ case: 'params', value: { data: {}, params: { csr } } }, 'missing attestation data type'],
  [
    { case: 'params', value: { data: { type: 'a' }, params: { csr } } },
    'missing attestation data payload',
  ],
] as const
test('params that lack something are refused in SPIRE’s words', async (t) => {
  const { attest } = await setUp(t)
  for (const [first, why] of MALFORMED)
    await assert.rejects(attest('', '', { first }), { code: 3, details: `malformed param: ${why}` })
})

test('an attestor that is not there is a precondition, and a CSR that is none costs no token', async (t) => {
  const { attest, call, audited } = await setUp(t)
  await assert.rejects(attest('x509pop', 'x'), {
    code: 9,
    details: 'error getting node attestor: could not find node attestor type "x509pop"',
  })
  const { value } = await call(Agent.method.createJoinToken, { ttl: 60 })
  const bad = attest('join_token', value, { csr: Buffer.of(1, 2, 3) })
  await assert.rejects(bad, { code: 3, details: /^failed to parse CSR: / })
  assert.deepEqual(
    audited().map((event) => ('reason' in event ? event.reason : event.event)),
    ['node_attestation', 'changed', 'node_attestation'],
  )
  assert.equal((await attest('join_token', value)).reattestable, false)
})

test('whom the store calls banned is refused with the reason, whenever that is', async (t) => {
  const { attest, store, signer, audited } = await setUp(t, { attestors: () => [believing()] })
  await attest('fake', 'x')
  const ban = () => store.agents.change(NODE, (agent) => ({ ...agent!, banned: true }))
  const banned = (error: ServiceError): boolean => {
    assert.deepEqual([error.code, error.details], [7, 'failed to attest: agent is banned'])
    assert.equal(reasonOf(error), 4)
    return true
  }
  // While it is signed for.
  signer.before = ban
  await assert.rejects(attest('fake', 'x'), banned)
  signer.before = undefined
  const signed = signer.signed
  audited()
  await assert.rejects(attest('fake', 'x'), banned)
  assert.equal(signer.signed, signed)
  const [denial] = audited()
  assert.ok(denial?.event === 'denied')
  assert.deepEqual(
    [denial.reason, denial.detail],
    ['node_attestation', 'failed to attest: agent is banned'],
  )
  assert.equal((await store.agents.get(NODE))?.banned, true)
})

test('an agent is of the attestor it came by, until it is evicted', async (t) => {
  const other = { ...believing(), type: 'other' }
  const { attest, call, store, signer } = await setUp(t, { attestors: () => [believing(), other] })
  await attest('fake', 'x')
  const before = await store.agents.get(NODE)
  const taken = {
    code: 7,
    details: `nodeattestor(other): agent "${NODE}" has attested by fake: it is to be evicted first`,
  }
  await assert.rejects(attest('other', 'x'), taken)
  assert.equal(signer.signed, 1)
  assert.deepEqual(await store.agents.get(NODE), before)
  await call(Agent.method.deleteAgent, {
    id: { trustDomain: 'example.org', path: '/spire/agent/fake/node' },
  })
  // While it is signed for the other.
  const back = before
  signer.before = () => store.agents.change(NODE, () => back)
  await assert.rejects(attest('other', 'x'), taken)
  signer.before = undefined
  await store.agents.change(NODE, () => undefined)
  await attest('other', 'x')
  assert.equal((await store.agents.get(NODE))?.attestationType, 'other')
})

test('a proof that anybody of the node could bring is good once, until the agent is evicted', async (t) => {
  const attestor = believing({ firstUse: true, canReattest: false })
  const { attest, call } = await setUp(t, { attestors: () => [attestor] })
  const used = {
    code: 7,
    details: 'nodeattestor(fake): attestation data has already been used to attest an agent',
  }
  const all = await Promise.allSettled(Array.from({ length: 10 }, () => attest('fake', 'x')))
  const lost = all.flatMap((one) => (one.status === 'rejected' ? [one.reason as ServiceError] : []))
  assert.equal(lost.length, 9)
  for (const { code, details } of lost) assert.deepEqual({ code, details }, used)
  await assert.rejects(attest('fake', 'x'), used)
  await call(Agent.method.deleteAgent, {
    id: { trustDomain: 'example.org', path: '/spire/agent/fake/node' },
  })
  assert.equal((await attest('fake', 'x')).reattestable, false)
})

test('what the server cannot do just now is no denial, and leaves no agent', async (t) => {
  const { attest, signer, audited, store, faults } = await setUp(t, {
    attestors: () => [believing()],
  })
  signer.failure = new SpindleError('authority_unavailable', 'away')
  await assert.rejects(attest('fake', 'x'), { code: 14, details: 'authority_unavailable: away' })
  assert.deepEqual(audited(), [])
  assert.equal(await store.agents.count({}), 0)
  signer.failure = new Error('a fault') as SpindleError
  await assert.rejects(attest('fake', 'x'), { code: 13, details: 'internal error' })
  assert.equal(faults.length, 1)
})

test('an agent that could not be stored is given nothing', async (t) => {
  const away = new SpindleError('store_unavailable', 'the disk is full')
  const { attest, audited } = await setUp(t, {
    attestors: () => [believing()],
    store: (store) => ({
      ...store,
      agents: { ...store.agents, change: () => Promise.reject(away) },
    }),
  })
  await assert.rejects(attest('fake', 'x'), { code: 14, details: /the disk is full/ })
  assert.deepEqual(audited(), [])
})

test('an address attests once a second, the others in line, and this host as it likes', async (t) => {
  const { attest, become, clock } = await setUp(t, {
    attestors: () => [believing()],
    more: { attestationsPerSecond: 1 },
  })
  become({ kind: 'local', uid: 0, pid: 1 })
  await Promise.all([attest('fake', 'x'), attest('fake', 'x'), attest('fake', 'x')])
  become(remote('10.0.0.1'))
  await attest('fake', 'x')
  const idle = clock.pending
  let done = false
  const second = attest('fake', 'x').then(() => (done = true))
  await when(() => clock.pending > idle)
  await settle()
  assert.equal(done, false)
  become(remote('10.0.0.2'))
  await attest('fake', 'x')
  await clock.advance(1_000)
  await second
  become(remote('10.0.0.3'))
  const line = Array.from({ length: 62 }, () =>
    attest('fake', 'x').catch((error: ServiceError) => error),
  )
  const late = await Promise.race(line.slice(1))
  assert.ok(late instanceof Error)
  assert.match(late.message, /rejecting request due to attest agent rate limiting/)
  assert.equal((late as ServiceError).code, 8)
  for (let second = 0; second < 61; second++) await clock.advance(1_000)
  await Promise.all(line)
})

test('an agent’s SVID lives as long as the config says, with the agent’s name and key alone', async (t) => {
  const { attest, clock, become } = await setUp(t, { attestors: () => [believing()] })
  become(bearer(id('/somebody/else')))
  const { svid } = await attest('fake', 'x')
  assert.equal(svid?.expiresAt, BigInt((clock.now() + HOUR) / 1_000))
})

test('what changes an agent is answered once the registry shows it', async (t) => {
  const waited: (() => void)[] = []
  const shown = () => new Promise<void>((resolve) => waited.push(resolve))
  const { attest, call, become, store } = await setUp(t, {
    attestors: () => [believing({ canReattest: false })],
    more: { registry: { shown } },
  })
  const agentId = { trustDomain: 'example.org', path: '/spire/agent/fake/node' }
  const asks = [
    () => attest('fake', 'x'),
    () => call(Agent.method.renewAgent, { params: { csr } }),
    () => call(Agent.method.banAgent, { id: agentId }),
    () => call(Agent.method.deleteAgent, { id: agentId }),
  ]
  become(bearer(NODE))
  for (const ask of asks) {
    let answered = false
    const answer = ask().then(() => (answered = true))
    await when(() => waited.length > 0)
    await settle()
    assert.equal(answered, false)
    waited.pop()!()
    await answer
    // As if its SVID were the one it calls with.
    await store.agents.change(NODE, (agent) => agent && { ...agent, serial: '77' })
  }
})
