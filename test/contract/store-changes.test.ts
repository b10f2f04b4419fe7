import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { agent, bundle, entry, entryId, id, td } from '../fakes/store-values.ts'
import { kinds, storeTest } from './stores.ts'

for (const kind of kinds) {
  describe(`Store, ${kind.name}: changes`, () => {
    storeTest(
      kind,
      'since: tells each key that changed, once, in the order of revisions, and nothing that did not',
      async (store) => {
        const start = await store.changes.position()
        const [a, b] = await store.entries.create([
          entry('/a', { id: entryId('a') }),
          entry('/b', { id: entryId('b') }),
        ])
        await store.agents.change(id('/spire/agent/x'), () => agent('/spire/agent/x'))
        await store.bundles.change(td('one.test'), () => bundle('one.test'))
        await store.servers.seen('s', 1)
        await store.servers.seen('s', 2)
        await store.entries.update([{ id: a!.entry.id, change: () => entry('/z') }])
        await store.entries.create([entry('/b')])
        await store.entries.delete([b!.entry.id, entryId('none')])
        await store.joinTokens.create('secret', { expiresAt: 1 })
        const told = await store.changes.since(start, 100)
        assert(told.kind === 'changes')
        assert.deepEqual(
          told.changes.map(({ kind, key }) => `${kind} ${key}`),
          [
            'agent spiffe://example.org/spire/agent/x',
            'bundle one.test',
            'server s',
            'entry a',
            'entry b',
          ],
        )
        assert.deepEqual(
          told.changes.map(({ revision }) => revision),
          [3, 4, 5, 6, 7],
        )
        assert.deepEqual(told.position, { lineage: start.lineage, revision: 7 })
        assert.equal(store.changes.revisions.current, 7)
        assert.deepEqual(await store.changes.since(told.position, 100), { ...told, changes: [] })
      },
    )

    storeTest(kind, 'since: goes on in pages to where nothing more is', async (store) => {
      let position = await store.changes.position()
      await store.entries.create(Array.from({ length: 25 }, (_, at) => entry(`/${at}`)))
      const counts: number[] = []
      for (let more = true; more;) {
        const told = await store.changes.since(position, 10)
        assert(told.kind === 'changes')
        counts.push(told.changes.length)
        ;({ position, more } = told)
      }
      assert.deepEqual(counts, [10, 10, 5])
      assert.equal(position.revision, 25)
    })

    storeTest(
      kind,
      'since: a reader of another lineage, of the future, or behind what was forgotten starts anew',
      async (store, { clock }) => {
        const start = await store.changes.position()
        await store.entries.create([entry('/a'), entry('/b')])
        await clock.advance(10)
        await store.entries.create([entry('/c')])
        const position = await store.changes.position()
        const anew = { kind: 'start_anew', position }
        assert.deepEqual(await store.changes.since({ ...start, lineage: 'x' }, 10), anew)
        assert.deepEqual(await store.changes.since({ ...start, revision: 99 }, 10), anew)
        assert.equal(await store.changes.prune(clock.now()), 2)
        assert.deepEqual(await store.changes.since(start, 10), anew)
        assert.deepEqual(await store.changes.since({ ...start, revision: 1 }, 10), anew)
        const told = await store.changes.since({ ...start, revision: 2 }, 10)
        assert.equal(told.kind === 'changes' && told.changes.length, 1)
        assert.deepEqual(await store.changes.position(), position, 'forgetting is no change')
      },
    )

    storeTest(
      kind,
      'revisions: told once after each commit, and what it tells can be read',
      async (store) => {
        const heard: Promise<readonly [number, number]>[] = []
        store.changes.revisions.subscribe((revision) => {
          heard.push(store.entries.count({}).then((count) => [revision, count] as const))
        })
        for (const paths of [['/a', '/b'], ['/a'], ['/c']]) {
          await store.entries.create(paths.map((path) => entry(path)))
          await Promise.all(heard)
        }
        assert.deepEqual(await Promise.all(heard), [
          [2, 2],
          [3, 3],
        ])
      },
    )

    storeTest(
      kind,
      'a store that is opened again goes on where it was',
      async (store, { open }) => {
        const [made] = await store.entries.create([entry('/a')])
        const before = await store.changes.position()
        await store.close()
        await assert.rejects(store.entries.create([entry('/late')]), { code: 'store_unavailable' })
        const again = await open()
        assert.deepEqual(await again.entries.get(made!.entry.id), made!.entry)
        assert.deepEqual(await again.changes.position(), before)
        assert.equal(again.changes.revisions.current, 1)
        await again.entries.create([entry('/b')])
        assert.equal((await again.changes.position()).revision, 2)
      },
    )

    storeTest(
      kind,
      'what is asked for at once is stored, each with its own outcome',
      async (store) => {
        const fail = () => {
          throw new Error('a fault of one')
        }
        const outcomes = await Promise.allSettled(
          Array.from({ length: 300 }, async (_, at) => {
            if (at % 50 === 7) await store.agents.change(id('/spire/agent/x'), fail)
            else await store.entries.create([entry(`/${at}`)])
          }),
        )
        assert.equal(outcomes.filter(({ status }) => status === 'rejected').length, 6)
        assert.equal(await store.entries.count({}), 294)
      },
    )
  })
}
