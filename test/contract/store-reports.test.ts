import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { AgentReport } from '../../src/store/model.ts'
import type { Store } from '../../src/store/port.ts'
import { agent, id } from '../fakes/store-values.ts'
import { kinds, pages, storeTest } from './stores.ts'

const report = (name: string, more: Partial<AgentReport> = {}): AgentReport => ({
  serverId: 's1',
  agent: id(name),
  x509: ['x'],
  jwt: [],
  more: [],
  ...more,
})

const of = (...reports: readonly AgentReport[]) =>
  new Map(reports.map((each) => [each.agent, each] as const))

async function seen(store: Store, by = 'another'): Promise<readonly AgentReport[]> {
  const { items, next } = await store.reports.ofOthers(by, { limit: 100 })
  assert.equal(next, undefined)
  return items
}

for (const kind of kinds) {
  describe(`Store, ${kind.name}: what agents said`, () => {
    const of3 = ['/a', '/b', '/c'] as const
    const join = async (store: Store): Promise<void> => {
      for (const name of of3) await store.agents.change(id(name), () => agent(name))
    }

    storeTest(
      kind,
      'put: kept as it was said last to each server, for the others alone',
      async (store) => {
        await join(store)
        const full = report('/a', { sequence: 7, jwt: ['k'], more: ['jwt'] })
        await store.reports.put('s1', of(report('/a'), report('/b')))
        await store.reports.put('s1', of(full))
        const there = report('/a', { serverId: 's2', sequence: 8 })
        await store.reports.put('s2', of(there))
        assert.deepEqual(await seen(store), [full, there, report('/b')])
        assert.deepEqual(await seen(store, 's1'), [there])
        await store.reports.put('s1', new Map([[id('/a'), undefined]]))
        assert.deepEqual(await seen(store), [there, report('/b')])
        await store.reports.clear(['s1'])
        assert.deepEqual(await seen(store), [there])
        await store.reports.clear([])
        assert.deepEqual(await seen(store), [there])
      },
    )

    storeTest(
      kind,
      'put: nothing is kept of who is not attested, and all goes with an agent',
      async (store) => {
        await join(store)
        await store.reports.put(
          's1',
          of(report('/a'), report('/b'), report('/c'), report('/unknown')),
        )
        await store.agents.change(id('/a'), () => undefined)
        assert.deepEqual(await seen(store), [report('/b'), report('/c')])
        await store.agents.change(id('/b'), (known) => known && { ...known, expiresAt: 10_000 })
        await store.agents.prune({ expiredBefore: 5_000, once: true })
        assert.deepEqual(await seen(store), [report('/b')])
      },
    )

    storeTest(kind, 'ofOthers: pages, in the order of agents and servers', async (store) => {
      await join(store)
      for (const serverId of ['s2', 's1', 's3'])
        await store.reports.put(serverId, of(...of3.map((name) => report(name, { serverId }))))
      const list = (page: Parameters<Store['reports']['ofOthers']>[1]) =>
        store.reports.ofOthers('s3', page)
      const found = await pages(list, 2)
      assert.deepEqual(
        found.map((page) => page.map((each) => `${each.agent.slice(-1)} ${each.serverId}`)),
        [
          ['a s1', 'a s2'],
          ['b s1', 'b s2'],
          ['c s1', 'c s2'],
        ],
      )
      await assert.rejects(list({ limit: 0 }), { code: 'request_invalid' })
    })

    storeTest(
      kind,
      'put: thousands at once, and no change that anybody hears of',
      async (store) => {
        const names = Array.from({ length: 450 }, (_, at) => `/n${String(at).padStart(3, '0')}`)
        await Promise.all(names.map((name) => store.agents.change(id(name), () => agent(name))))
        const before = await store.changes.position()
        await store.reports.put('s1', of(...names.map((name) => report(name))))
        const { items } = await store.reports.ofOthers('s2', { limit: 1000 })
        assert.equal(items.length, names.length)
        assert.deepEqual(await store.changes.position(), before)
      },
    )
  })
}
