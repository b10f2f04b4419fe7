import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { SetMatch } from '../../src/store/port.ts'
import { entry, entryId, selectors, td } from '../fakes/store-values.ts'
import { byText, kinds, pages, storeTest } from './stores.ts'

for (const kind of kinds) {
  describe(`Store, ${kind.name}: entries, listed`, () => {
    storeTest(kind, 'list: each kind of set comparison, as SPIRE has it', async (store) => {
      const sets = {
        one: ['a:1'],
        two: ['a:1', 'a:2'],
        three: ['a:1', 'a:2', 'a:3'],
        other: ['b:1'],
      }
      await store.entries.create(
        Object.entries(sets).map(([path, texts]) =>
          entry(`/${path}`, { selectors: selectors(...texts) }),
        ),
      )
      const found = async (match: SetMatch, ...texts: string[]) => {
        const of = selectors(...texts)
        const { items } = await store.entries.list({ selectors: { match, of } }, { limit: 10 })
        assert.equal(await store.entries.count({ selectors: { match, of } }), items.length)
        return items.map(({ spiffeId }) => spiffeId.split('/').at(-1)!).toSorted(byText)
      }
      assert.deepEqual(await found('exact', 'a:2', 'a:1', 'a:1'), ['two'])
      assert.deepEqual(await found('subset', 'a:1', 'a:2'), ['one', 'two'])
      assert.deepEqual(await found('superset', 'a:1', 'a:2'), ['three', 'two'])
      assert.deepEqual(await found('any', 'a:2', 'b:1'), ['other', 'three', 'two'])
      assert.deepEqual(await found('exact', 'none:1'), [])
      assert.deepEqual(await found('exact'), [])
      assert.deepEqual(await found('superset'), ['one', 'other', 'three', 'two'])
      assert.deepEqual([await found('subset'), await found('any')], [[], []])
    })

    storeTest(
      kind,
      'list: an entry that federates with nobody is matched exactly by nobody, and is no subset',
      async (store) => {
        await store.entries.create([
          entry('/none'),
          entry('/one', { federatesWith: [td('one.test')] }),
        ])
        const found = async (match: SetMatch, ...names: string[]) => {
          const federatesWith = { match, of: names.map(td) }
          const { items } = await store.entries.list({ federatesWith }, { limit: 10 })
          return items.map(({ spiffeId }) => spiffeId.split('/').at(-1)!).toSorted(byText)
        }
        assert.deepEqual(await found('exact'), ['none'])
        assert.deepEqual(await found('subset', 'one.test', 'two.test'), ['one'])
        assert.deepEqual(await found('superset'), ['none', 'one'])
      },
    )

    storeTest(
      kind,
      'list: pages follow each other while entries come and go; what stays is in one of them',
      async (store) => {
        const ids = Array.from({ length: 25 }, (_, at) =>
          entryId(`e${String(at).padStart(2, '0')}`),
        )
        await store.entries.create(ids.map((own, at) => entry(`/${at}`, { id: own })))
        const seen: string[] = []
        let token: string | undefined
        for (let page = 0; page < 3; page++) {
          const { items, next } = await store.entries.list({}, { limit: 10, token })
          seen.push(...items.map((one) => one.id))
          token = next
          await store.entries.delete(ids.slice(page, page + 1))
          await store.entries.create([entry(`/new${page}`, { id: entryId(`a${page}`) })])
        }
        assert.equal(token, undefined)
        assert.deepEqual(seen, ids)
        assert.deepEqual(
          (await pages((page) => store.entries.list({}, page), 8)).map(({ length }) => length),
          [8, 8, 8, 1],
        )
      },
    )

    storeTest(
      kind,
      'list: a token that was not given out, or a page out of bounds, is refused',
      async (store) => {
        for (const token of ['!', 'YQ=', 'a'.repeat(5000), 'AA'])
          await assert.rejects(store.entries.list({}, { limit: 1, token }), {
            code: 'request_invalid',
          })
        for (const limit of [0, 1001, 1.5])
          await assert.rejects(store.entries.list({}, { limit }), { code: 'request_invalid' })
      },
    )

    storeTest(
      kind,
      'prune: those that have expired, however many, and no other',
      async (store, { clock }) => {
        const now = clock.now()
        await store.entries.create([
          ...Array.from({ length: 250 }, (_, at) => entry(`/${at}`, { expiresAt: now - at })),
          entry('/later', { expiresAt: now + 1 }),
          entry('/never'),
        ])
        const told: string[] = []
        const tell = (gone: readonly { readonly id: string }[]) =>
          void told.push(...gone.map((one) => one.id))
        const { items } = await store.entries.list({}, { limit: 1000 })
        assert.equal(await store.entries.prune(now, tell), 250)
        const expired = items.filter(({ expiresAt = Infinity }) => expiresAt <= now)
        assert.deepEqual(told.toSorted(), expired.map((one) => String(one.id)).toSorted())
        assert.equal(await store.entries.count({}), 2)
      },
    )
  })
}
