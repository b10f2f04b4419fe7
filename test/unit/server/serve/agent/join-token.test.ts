import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import type { ServiceError } from '@grpc/grpc-js'
import { SpindleError } from '../../../../../src/runtime/errors.ts'
import { parseCertificate } from '../../../../../src/certs/parse.ts'
import { settle } from '../../../../fakes/clock.ts'
import { id } from '../../../../fakes/store-values.ts'
import { csr, key, serialOf, setUp, when } from './setting.ts'

const { createJoinToken } = Agent.method
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
  const [, issued] = audited()
  assert.ok(issued?.event === 'issued')
  assert.deepEqual([issued.issued, issued.spiffeId], ['agent-svid', id(path)])
  await assert.rejects(attest('join_token', token.value), gone)
})

test('of 20 nodes that come with one token at once, one joins', async (t) => {
  const { attest, call, store } = await setUp(t)
  const { value } = await call(createJoinToken, { ttl: 600 })
  const all = await Promise.allSettled(
    Array.from({ length: 20 }, () => attest('join_token', value)),
  )
  const lost = all.flatMap((one) => (one.status === 'rejected' ? [one.reason as ServiceError] : []))
  assert.equal(lost.length, 19)
  for (const { code, details } of lost) assert.deepEqual({ code, details }, gone)
  assert.equal(await store.agents.count({}), 1)
})

test('a token is of no use from its last second on', async (t) => {
  const { attest, call, clock } = await setUp(t)
  const [late, early] = [
    await call(createJoinToken, { ttl: 10 }),
    await call(createJoinToken, { ttl: 10 }),
  ]
  clock.jump(9_999)
  await attest('join_token', early.value)
  clock.jump(1)
  const expired = { code: 3, details: 'join token expired' }
  await assert.rejects(attest('join_token', late.value), expired)
})

test('what was never a token is refused like one that was used, and not repeated', async (t) => {
  const { attest } = await setUp(t)
  for (const text of ['nothing', 'a/b', '..', 'a b', 'ä', '\xff\xfe'])
    await assert.rejects(attest('join_token', Buffer.from(text, 'latin1')), gone)
  await assert.rejects(attest('join_token', 'x'.repeat(5_000)), gone)
})

test('an operator may say the text, once', async (t) => {
  const { attest, call } = await setUp(t)
  assert.equal((await call(createJoinToken, { ttl: 60, token: 'rack-7' })).value, 'rack-7')
  await assert.rejects(call(createJoinToken, { ttl: 60, token: 'rack-7' }), { code: 6 })
  await attest('join_token', 'rack-7')
  // Used up, it is free again; its agent is the same.
  await call(createJoinToken, { ttl: 60, token: 'rack-7' })
  const { svid } = await attest('join_token', 'rack-7')
  assert.equal(svid?.id?.path, '/spire/agent/join_token/rack-7')
})

test('with an agent ID the token comes with an entry that the agent is known by', async (t) => {
  const { attest, call, registry, audited } = await setUp(t)
  const agentId = { trustDomain: 'example.org', path: '/node/7' }
  const { value } = await call(createJoinToken, { ttl: 60, agentId })
  const joined = id(`/spire/agent/join_token/${value}`)
  const [alias, ...more] = registry.entriesNamed(id('/node/7'))
  assert.equal(more.length, 0)
  assert.equal(alias?.parentId, joined)
  assert.deepEqual(alias.selectors, [`spiffe_id:${joined}`])
  const created = audited()
  assert.ok(!JSON.stringify(created).includes(value))
  await attest('join_token', value)
  assert.deepEqual(
    [...created, ...audited()].map((event) =>
      event.event === 'changed' ? [event.object, event.key, event.action] : event.event,
    ),
    [
      ['join-token', id('/node/7'), 'create'],
      ['entry', alias.id, 'create'],
      ['agent', joined, 'attest join_token'],
      'issued',
    ],
  )
  assert.deepEqual(
    registry.entriesOf(joined).map((entry) => entry.id),
    [alias.id],
  )
})

test('a token is as good as before where the signing fails, the store does, or the node goes', async (t) => {
  const away = new SpindleError('store_unavailable', 'the disk is full')
  let full = false
  const { attest, call, audited, signer, store, open } = await setUp(t, {
    store: (real) => ({
      ...real,
      joinTokens: {
        ...real.joinTokens,
        join: (...all) => (full ? Promise.reject(away) : real.joinTokens.join(...all)),
      },
    }),
  })
  const { value } = await call(createJoinToken, { ttl: 60 })
  audited()
  signer.failure = new SpindleError('authority_unavailable', 'away')
  await assert.rejects(attest('join_token', value), { code: 14 })
  signer.failure = undefined
  full = true
  await assert.rejects(attest('join_token', value), { code: 14, details: /the disk is full/ })
  full = false
  const leaving = open(Agent.method.attestAgent)
  const gone = new Promise((resolve) => leaving.on('error', resolve))
  signer.before = async () => {
    leaving.cancel()
    await gone
    await settle()
  }
  const data = { type: 'join_token', payload: Buffer.from(value) }
  leaving.write({ step: { case: 'params', value: { data, params: { csr } } } })
  leaving.resume()
  await gone
  signer.before = undefined
  await when(() => signer.signed === 2)
  await settle()
  assert.deepEqual(audited(), [])
  assert.equal(await store.agents.count({}), 0)
  await attest('join_token', value)
  assert.equal(await store.agents.count({}), 1)
})

test('a token that ends, or is spent, while a certificate is signed for it lets nobody in', async (t) => {
  const { attest, call, clock, signer, store, audited } = await setUp(t)
  const ended = await call(createJoinToken, { ttl: 10 })
  signer.before = () => Promise.resolve(clock.jump(10_000))
  const expired = { code: 3, details: 'join token expired' }
  await assert.rejects(attest('join_token', ended.value), expired)
  const spent = await call(createJoinToken, { ttl: 10 })
  let first: Promise<unknown> | undefined
  signer.before = async () => {
    signer.before = undefined
    first = attest('join_token', spent.value)
    await first
  }
  audited()
  await assert.rejects(attest('join_token', spent.value), gone)
  assert.equal(signer.signed, 3)
  assert.equal(await store.agents.count({}), 1)
  assert.deepEqual(
    audited().map(({ event }) => event),
    ['changed', 'issued', 'denied'],
  )
})

test('a banned agent comes in by no token, and the token stays for when it is evicted', async (t) => {
  const { attest, call, signer, store } = await setUp(t)
  await call(createJoinToken, { ttl: 60, token: 'rack-7' })
  await attest('join_token', 'rack-7')
  await call(createJoinToken, { ttl: 60, token: 'rack-7' })
  const ID = id('/spire/agent/join_token/rack-7')
  signer.before = () => store.agents.change(ID, (agent) => ({ ...agent!, banned: true }))
  const banned = { code: 7, details: 'failed to attest: agent is banned' }
  await assert.rejects(attest('join_token', 'rack-7'), banned)
  signer.before = undefined
  await assert.rejects(attest('join_token', 'rack-7'), banned)
  await store.agents.change(ID, () => undefined)
  await attest('join_token', 'rack-7')
})

test('a token that could not be is refused, and not repeated', async (t) => {
  const { call } = await setUp(t)
  for (const ttl of [0, -1])
    await assert.rejects(call(createJoinToken, { ttl }), {
      code: 3,
      details: 'ttl is required, you must provide one',
    })
  for (const token of ['secret/1', 'secret 1', '..', `secret${'x'.repeat(2_048)}`])
    await assert.rejects(call(createJoinToken, { ttl: 1, token }), (error: ServiceError) => {
      assert.equal(error.code, 3)
      assert.match(error.details, /^invalid token: /)
      assert.ok(!error.details.includes('secret'))
      return true
    })
  for (const [trustDomain, path] of [
    ['other.org', '/a'],
    ['example.org', ''],
    ['example.org', '/spire/agent/a'],
    ['example.org', '/spire/server'],
    ['', '/a'],
  ])
    await assert.rejects(
      call(createJoinToken, { ttl: 1, agentId: { trustDomain: trustDomain!, path: path! } }),
      (error: ServiceError) => error.code === 3 && error.details.startsWith('invalid agent ID: '),
    )
})
