import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '../../../../src/runtime/grpc-status.ts'
import { bundle, entry, entryId, id, td } from '../../../fakes/store-values.ts'
import { becomes, setUp } from './setting.ts'

const A = '/spire/agent/a'
const a = id(A)
const e1 = entryId('e1')

test('Sync answers open with all there is for the agent, and then says what has changed for it', async (t) => {
  const { attest, call, store, registry, service } = await setUp(t)
  const key = await attest(A)
  await store.entries.create([
    entry('/w1', { id: e1, federatesWith: [td('example.com')] }),
    entry('/other', { id: entryId('x1'), parentId: id('/spire/agent/b') }),
  ])
  await store.bundles.change(td('example.org'), () => bundle('example.org', { sequence: 3 }))
  await registry.caughtUp()
  const agent = call(key)
  agent.open()
  const [first, ...more] = await agent.round()
  assert.equal(more.length, 0)
  assert.equal(first!.full, true)
  assert.deepEqual(
    first!.entries.map((one) => one.id),
    ['e1'],
  )
  assert.deepEqual(
    first!.bundles.map(({ trustDomain, sequenceNumber }) => [trustDomain, sequenceNumber]),
    [['example.org', 3n]],
  )
  assert.deepEqual([first!.entryCount, first!.bundleCount], [1, 1])
  agent.applied(first!.resumeToken)

  await store.bundles.change(td('example.com'), () => bundle('example.com'))
  const [second] = await agent.round()
  assert.equal(second!.full, false)
  assert.deepEqual(
    second!.bundles.map(({ trustDomain }) => trustDomain),
    ['example.com'],
  )
  assert.deepEqual([second!.entryCount, second!.bundleCount], [1, 2])
  agent.applied(second!.resumeToken)

  await store.entries.delete([e1])
  const [third] = await agent.round()
  assert.deepEqual([third!.removedEntries, third!.removedBundles], [['e1'], ['example.com']])
  assert.deepEqual([third!.entryCount, third!.bundleCount], [0, 1])
  assert.equal(service.connected, 1)
  agent.finish()
  assert.equal((await agent.ended()).code, status.OK)
})

test('Sync tells an agent nothing of what is not its own, and sends one round of all that changes before applied', async (t) => {
  const { attest, call, store, registry } = await setUp(t)
  const agent = call(await attest(A))
  agent.open()
  const [first] = await agent.round()
  await store.entries.create([entry('/w1', { id: e1 })])
  await store.entries.create([entry('/other', { parentId: id('/spire/agent/b') })])
  await store.bundles.change(td('example.com'), () => bundle('example.com'))
  await store.entries.create([entry('/w2', { id: entryId('e2') })])
  await store.entries.delete([e1])
  await registry.caughtUp()
  assert.equal(agent.waiting, 0, 'until the first one is applied')
  agent.applied(first!.resumeToken)
  const [second] = await agent.round()
  assert.deepEqual(
    second!.entries.map((one) => one.id),
    ['e2'],
  )
  assert.deepEqual([second!.removedEntries, second!.bundles], [[], []])
  agent.applied(second!.resumeToken)
  // Nothing of it is the agent's: it is the next change that it hears of.
  await store.entries.create([entry('/other2', { parentId: id('/spire/agent/b') })])
  await store.entries.delete([entryId('e2')])
  const [third] = await agent.round()
  assert.deepEqual([third!.entries, third!.removedEntries], [[], ['e2']])
})

test('Sync goes on from a token: with nothing where nothing changed, else with what did', async (t) => {
  const { attest, call, store, registry } = await setUp(t)
  const key = await attest(A)
  await store.bundles.change(td('example.org'), () => bundle('example.org'))
  await store.entries.create([entry('/w1', { id: e1 }), entry('/w2', { id: entryId('e2') })])
  await registry.caughtUp()
  const opened = async (token?: Uint8Array) => {
    const agent = call(key)
    agent.open(token)
    const [round] = await agent.round()
    agent.cancel()
    await agent.ended()
    return round!
  }
  const first = await opened()
  const again = await opened(first.resumeToken)
  assert.deepEqual([again.full, again.entries, again.bundles], [false, [], []])
  assert.deepEqual([again.entryCount, again.bundleCount], [2, 1])

  const change = { id: e1, change: (known: object) => ({ ...entry('/w1'), ...known, hint: 'h' }) }
  await store.entries.update([change])
  await registry.caughtUp()
  const updated = await opened(again.resumeToken)
  assert.equal(updated.full, false)
  assert.deepEqual(
    updated.entries.map(({ id: of, hint }) => [of, hint]),
    [['e1', 'h']],
  )
  await store.entries.create([entry('/w3', { id: entryId('e3') })])
  await registry.caughtUp()
  const created = await opened(updated.resumeToken)
  assert.deepEqual([created.full, created.entries.map((one) => one.id)], [false, ['e3']])

  await store.entries.delete([e1])
  await registry.caughtUp()
  const removed = await opened(created.resumeToken)
  assert.deepEqual([removed.full, removed.entryCount], [true, 2])
  for (const token of [Buffer.from('unreadable'), Buffer.alloc(256, 1)])
    assert.equal((await opened(token)).full, true)
})

test('Sync ends the calls of an agent that is banned, evicted or past its SVID at once, and says so in the audit', async (t) => {
  const { attest, call, store, service, registry, clock, audited } = await setUp(t)
  await store.bundles.change(td('example.org'), () => bundle('example.org'))
  await registry.caughtUp()
  const details = async (agent: ReturnType<typeof call>, reason: number) => {
    const ended = await agent.ended()
    assert.equal(ended.code, status.PERMISSION_DENIED)
    assert.equal(ended.details, 'authorization denied for method /spindle.sync.v1.SyncService/Sync')
    const [bytes] = ended.metadata.get('grpc-status-details-bin')
    // The end of google.rpc.Status: Any.value is PermissionDeniedDetails { reason }.
    assert.deepEqual([...(bytes as Buffer).subarray(-4)], [0x12, 2, 0x08, reason])
  }
  const opened = async (path: string, { applies = false } = {}) => {
    const agent = call(await attest(path))
    agent.open()
    const [round] = await agent.round()
    if (!applies) return agent
    agent.applied(round!.resumeToken)
    await becomes(service, () => service.haveBundle(0).behind.length === 0)
    return agent
  }
  const banned = await opened(A)
  await store.agents.change(a, (known) => known && { ...known, banned: true })
  await details(banned, 4)
  const evicted = await opened('/spire/agent/b')
  await store.agents.change(id('/spire/agent/b'), () => undefined)
  await details(evicted, 2)
  const expired = await opened('/spire/agent/c', { applies: true })
  await clock.advance(30 * 60_000)
  assert.equal(service.connected, 1, 'it is good to its last moment')
  await clock.advance(1)
  await details(expired, 1)
  assert.deepEqual(
    audited.map((line) => line.event === 'denied' && line.reason),
    ['banned', 'not-attested', 'expired'],
  )
})
