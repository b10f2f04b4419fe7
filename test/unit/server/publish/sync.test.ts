import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bundle, entry, entryId, id, td } from '../../../fakes/store-values.ts'
import { setUp } from './setting.ts'

const A = '/spire/agent/a'

test('Sync answers open with all there is for the agent, and then says what has changed for it', async (t) => {
  const { attest, call, store, registry, service } = await setUp(t)
  const key = await attest(A)
  await store.entries.create([
    entry('/w1', { id: entryId('e1'), federatesWith: [td('example.com')] }),
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
  assert.deepEqual(service.haveBundle(3), { have: [], behind: [id(A)] })
  agent.applied(first!.resumeToken, { x509AuthoritiesInUse: ['ab'] })

  await store.bundles.change(td('example.com'), () => bundle('example.com'))
  const [second] = await agent.round()
  assert.equal(second!.full, false)
  assert.deepEqual(
    second!.bundles.map(({ trustDomain }) => trustDomain),
    ['example.com'],
  )
  assert.deepEqual([second!.entryCount, second!.bundleCount], [1, 2])
  assert.deepEqual(service.haveBundle(3), { have: [id(A)], behind: [] })
  assert.deepEqual(service.authoritiesInUse().x509, new Map([['ab', new Set([id(A)])]]))
  agent.applied(second!.resumeToken)

  await store.entries.delete([entryId('e1')])
  const [third] = await agent.round()
  assert.deepEqual([third!.removedEntries, third!.removedBundles], [['e1'], ['example.com']])
  assert.deepEqual([third!.entryCount, third!.bundleCount], [0, 1])
})
