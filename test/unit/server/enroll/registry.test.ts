import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agent, bundle, entry, entryId, id, td } from '../../../fakes/store-values.ts'
import { setUp } from './setting.ts'

const a = id('/spire/agent/a')
const b = id('/spire/agent/b')
const e1 = entryId('e1')

test('openRegistry shows what the store has, and each change with the agents it concerns', async (t) => {
  const { registry, store, changes } = await setUp(t, async (store) => {
    await store.agents.change(a, () => agent('/spire/agent/a'))
    await store.entries.create([entry('/w1', { id: e1 })])
    await store.bundles.change(td('example.org'), () => bundle('example.org'))
  })
  assert.deepEqual(
    registry.entriesOf(a).map((one) => one.id),
    ['e1'],
  )
  assert.equal(registry.mayServe(a, e1), true)
  assert.equal(registry.mayServe(b, e1), false)
  assert.equal(registry.agent(a)?.serial, '1')
  assert.equal(registry.bundle(td('example.org'))?.sequence, 1)
  assert.equal(registry.entriesNamed(id('/w1'))[0], registry.entry(e1))
  assert.deepEqual({ ...registry.counts }, { entries: 1, agents: 1, bundles: 1 })

  await store.entries.create([
    entry('/w2', { id: entryId('e2') }),
    entry('/w3', { id: entryId('e3') }),
  ])
  await registry.caughtUp()
  assert.equal(registry.entriesOf(a).length, 3)
  assert.deepEqual(registry.position, await store.changes.position())
  assert.deepEqual(changes, [
    {
      entries: new Set(['e2', 'e3']),
      serving: new Set([a]),
      bundles: new Set(),
      agents: new Set(),
      position: registry.position,
    },
  ])
  const kept = registry.entry(e1)
  await store.bundles.change(td('example.com'), () => bundle('example.com'))
  await store.agents.change(b, () => agent('/spire/agent/b'))
  await store.entries.delete([entryId('e2')])
  await registry.caughtUp()
  const told = (what: 'bundles' | 'agents'): readonly string[] =>
    changes.flatMap((change) => Array.from<string>(change[what]))
  assert.deepEqual([told('bundles'), told('agents')], [['example.com'], [b]])
  assert.equal(registry.entry(entryId('e2')), undefined)
  assert.equal(registry.entry(e1), kept, 'what has not changed is the same object')
})
