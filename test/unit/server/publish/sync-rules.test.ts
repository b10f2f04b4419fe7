import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SyncResponseSchema } from '#spindle/sync/v1/sync_pb.js'
import { toBinary } from '@bufbuild/protobuf'
import { parseCertificate } from '../../../../src/certs/parse.ts'
import { status } from '../../../../src/runtime/grpc-status.ts'
import { settle } from '../../../fakes/clock.ts'
import { bundle, entry, id, td } from '../../../fakes/store-values.ts'
import { becomes, setUp } from './setting.ts'
import type { AgentCall, Setting } from './setting.ts'

const A = '/spire/agent/a'
const a = id(A)

async function openedBy(setting: Setting, serial = 77): Promise<[AgentCall, Uint8Array]> {
  const agent = setting.call(await setting.attest(A, serial))
  agent.open()
  const parts = await agent.round()
  return [agent, parts.at(-1)!.resumeToken]
}

test('Sync ends a call whose messages break its rules, and that call alone', async (t) => {
  const setting = await setUp(t)
  const key = await setting.attest(A)
  const [first] = await openedBy(setting)
  const breaches: readonly [string, number, (call: AgentCall, token: Uint8Array) => void][] = [
    ['no step', status.INVALID_ARGUMENT, (call) => call.send({ case: undefined })],
    ['open twice', status.INVALID_ARGUMENT, (call) => call.open()],
    ['another token', status.INVALID_ARGUMENT, (call) => call.applied(Buffer.from('other'))],
    ['not a message', status.INVALID_ARGUMENT, (call) => call.raw(Buffer.from([0xff]))],
    [
      'too many authorities',
      status.RESOURCE_EXHAUSTED,
      (call, token) =>
        call.applied(token, { jwtAuthoritiesInUse: Array.from({ length: 65 }, () => 'k') }),
    ],
    [
      'a long authority',
      status.RESOURCE_EXHAUSTED,
      (call, token) => call.applied(token, { x509AuthoritiesInUse: ['k'.repeat(257)] }),
    ],
  ]
  for (const [what, code, breach] of breaches) {
    const agent = setting.call(key)
    agent.open()
    const [round] = await agent.round()
    breach(agent, round!.resumeToken)
    assert.equal((await agent.ended()).code, code, what)
  }
  for (const [token, version] of [
    [Buffer.alloc(257), ''],
    [Buffer.alloc(0), 'v'.repeat(129)],
  ] as const) {
    const agent = setting.call(key)
    agent.open(token, version)
    assert.equal((await agent.ended()).code, status.RESOURCE_EXHAUSTED)
  }
  const early = setting.call(key)
  early.applied(Buffer.alloc(0))
  assert.equal((await early.ended()).code, status.INVALID_ARGUMENT)
  assert.equal(setting.service.connected, 1)
  first.cancel()
})

test('Sync lets an agent have two calls, so that one with a renewed SVID takes over, and no third', async (t) => {
  const setting = await setUp(t)
  const { store, service } = setting
  const [first, token] = await openedBy(setting, 1)
  first.applied(token)
  const [second] = await openedBy(setting, 2)
  const third = setting.call(await setting.attest(A, 2))
  third.open()
  assert.equal((await third.ended()).code, status.RESOURCE_EXHAUSTED)
  // The SVID of the first is the active one no longer: that does not end it.
  await store.entries.create([entry('/w')])
  assert.equal((await first.round())[0]!.entries.length, 1)
  first.cancel()
  await first.ended()
  await becomes(service, () => service.connected === 1)
  const fourth = setting.call(await setting.attest(A, 2))
  fourth.open()
  await fourth.round()
  second.cancel()
})

test('Sync gives an agent that does not answer 30 s, for open as for applied', async (t) => {
  const setting = await setUp(t)
  const { clock, service } = setting
  const [answers, token] = await openedBy(setting)
  answers.applied(token)
  const silent = setting.call(await setting.attest('/spire/agent/b'))
  silent.open()
  await silent.round()
  const mute = setting.call(await setting.attest('/spire/agent/c'))
  await becomes(
    service,
    () => service.connected === 3 && service.haveBundle(-1).behind.length === 3,
  )
  await clock.advance(29_999)
  assert.equal(service.connected, 3)
  await clock.advance(1)
  assert.equal((await silent.ended()).code, status.ABORTED)
  assert.equal((await mute.ended()).code, status.ABORTED)
  await clock.advance(60_000)
  assert.equal(service.connected, 1)
  answers.cancel()
})

test('Sync cuts a round into parts of 1 MiB at most, of which the last is complete', async (t) => {
  const setting = await setUp(t)
  const { store, registry, attest, call } = setting
  const names = Array.from({ length: 60 }, (_, at) => `${'n'.repeat(60)}${at}.example.org`)
  for (let batch = 0; batch < 5; batch++)
    await store.entries.create(
      Array.from({ length: 100 }, (_, at) => entry(`/w${batch}-${at}`, { dnsNames: names })),
    )
  await store.bundles.change(td('example.org'), () => bundle('example.org'))
  await registry.caughtUp()
  const agent = call(await attest(A))
  agent.open()
  const parts = await agent.round()
  assert.equal(parts.length, 3)
  const sizes = parts.map((part) => toBinary(SyncResponseSchema, part).length)
  assert(sizes.every((size) => size <= 2 ** 20))
  assert(sizes[0]! > 2 ** 20 - 20_000)
  assert.deepEqual(
    parts.map(({ full, complete }) => [full, complete]),
    [
      [true, false],
      [true, false],
      [true, true],
    ],
  )
  const ids = parts.flatMap(({ entries }) => entries.map((one) => one.id))
  assert.equal(new Set(ids).size, 500)
  assert.deepEqual([parts[2]!.entryCount, parts[2]!.bundleCount], [500, 1])
  assert.deepEqual([parts[0]!.entryCount, parts[0]!.resumeToken.length], [0, 0])
  assert(parts[2]!.resumeToken.length <= 256)
})

test('Sync knows which agents have a bundle, and which authorities they hold SVIDs of', async (t) => {
  const setting = await setUp(t)
  const { store, service, attest, call, fleet } = setting
  // Of the SVIDs that the agents show here.
  const shown = parseCertificate(fleet.root, 'the CA').subjectKeyId
  const own = (sequence: number) =>
    store.bundles.change(td('example.org'), () => bundle('example.org', { sequence }))
  await own(1)
  const [agent, token] = await openedBy(setting)
  assert.deepEqual(service.haveBundle(1), { have: [], behind: [a] })
  agent.applied(token, { x509AuthoritiesInUse: ['x1', 'x2'], jwtAuthoritiesInUse: ['k'] })
  const other = call(await attest('/spire/agent/b'))
  other.open()
  const [round] = await other.round()
  other.applied(round!.resumeToken, { x509AuthoritiesInUse: ['x2'] })
  await becomes(service, () => service.haveBundle(1).have.length === 2)
  const b = id('/spire/agent/b')
  const held = (...ids: string[]): string[] => Array.from(service.holders('x509', ids)).sort()
  assert.deepEqual([held(shown), held('x1'), held('x2', 'x1')], [[a, b], [a], [a, b]])
  assert.deepEqual([held('k'), held()], [[], []])
  assert.deepEqual(service.holders('jwt', ['k', 'x2']), new Set([a]))
  // Whoever cannot name all it holds may hold anything.
  agent.applied(token, { x509AuthoritiesInUse: ['x1', 'x2'], moreX509AuthoritiesInUse: true })
  await becomes(service, () => held('another').length === 1)
  assert.deepEqual([held('another'), held('x1'), service.holders('jwt', ['k']).size], [[a], [a], 0])
  await own(2)
  const [next] = await agent.round()
  await other.round()
  assert.deepEqual(service.haveBundle(2), { have: [], behind: [a, b] })
  // Between the round and its `applied` the agent may tell of what it holds with the token it had.
  agent.applied(token, { x509AuthoritiesInUse: ['x2'] })
  await becomes(service, () => held('x1').length === 0)
  assert.deepEqual(service.haveBundle(2).have, [])
  agent.applied(next!.resumeToken, { x509AuthoritiesInUse: ['x3'] })
  await becomes(service, () => service.haveBundle(2).have.length === 1)
  assert.deepEqual(service.haveBundle(2), { have: [a], behind: [b] })
  assert.equal(service.isConnected(a), true)
  agent.cancel()
  await becomes(service, () => !service.isConnected(a))
  assert.deepEqual([held('x2'), held(shown), held('x3')], [[b], [b], []])
  assert.deepEqual((await service.everywhere()).holders('x509', ['x2']), new Set([b]))
})

test('Sync ends the call of an agent whose SVID an authority signed that is trusted no longer', async (t) => {
  const setting = await setUp(t)
  const { store, fleet, audited } = setting
  const [agent, token] = await openedBy(setting)
  agent.applied(token)
  fleet.distrust()
  await store.bundles.change(td('example.org'), () => bundle('example.org'))
  assert.equal((await agent.ended()).code, status.UNAUTHENTICATED)
  assert.deepEqual(
    audited.map((line) => line.event === 'denied' && line.reason),
    ['untrusted'],
  )
})

test('Sync keeps the version an agent says it runs, if it can be shown', async (t) => {
  const { store, registry, attest, call, audited } = await setUp(t)
  const key = await attest(A)
  for (const [said, kept] of [
    ['spindle 1.2', 'spindle 1.2'],
    ['\u001b[2J', 'spindle 1.2'],
    ['', 'spindle 1.2'],
    ['spindle 1.3', 'spindle 1.3'],
  ] as const) {
    const agent = call(key)
    agent.open(Buffer.alloc(0), said)
    await agent.round()
    const late = performance.now() + 20_000
    const stored = async () => (await store.agents.get(a))?.version
    while ((await stored()) !== kept && performance.now() < late) await settle()
    await registry.refreshed()
    assert.equal(await stored(), kept)
    agent.cancel()
    await agent.ended()
  }
  assert.deepEqual(
    audited.map((line) => line.event === 'changed' && [line.action, line.key]),
    [
      ['version', a],
      ['version', a],
    ],
  )
})

test('Sync ends its calls with UNAVAILABLE when the server stops, and takes none any more', async (t) => {
  const setting = await setUp(t)
  const [agent] = await openedBy(setting)
  setting.service.endStreams('the server is shutting down')
  assert.equal((await agent.ended()).code, status.UNAVAILABLE)
  const late = setting.call(await setting.attest(A))
  late.open()
  assert.equal((await late.ended()).code, status.UNAVAILABLE)
  assert.equal(setting.service.connected, 0)
})
