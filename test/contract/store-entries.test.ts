import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { EntryFilter } from '../../src/store/port.ts'
import { entry, entryId, id, selectors, td } from '../fakes/store-values.ts'
import { kinds, storeTest } from './stores.ts'

const DAY = 86_400_000

for (const kind of kinds) {
  describe(`Store, ${kind.name}: entries`, () => {
    storeTest(
      kind,
      'create: gives id, revision 0 and the instant, and get gives all of it back',
      async (store, { clock }) => {
        const full = entry('/web', {
          selectors: selectors('unix:uid:1', 'k8s:pod-label:a:b', 'unix:uid:1'),
          x509SvidTtlMs: 60_000,
          jwtSvidTtlMs: 30_000,
          federatesWith: [td('two.test'), td('one.test')],
          dnsNames: ['b.example.org', 'a.example.org'],
          admin: true,
          downstream: true,
          storeSvid: true,
          hint: 'äußeres ☂',
          expiresAt: clock.now() + DAY,
          disableX509SvidPrefetch: true,
          jwtSvidIncludeJti: true,
        })
        const [made] = await store.entries.create([full])
        assert.equal(made?.kind, 'created')
        assert.match(
          made.entry.id,
          /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        )
        assert.deepEqual(made.entry, {
          ...full,
          selectors: selectors('k8s:pod-label:a:b', 'unix:uid:1'),
          federatesWith: ['one.test', 'two.test'],
          id: made.entry.id,
          revision: 0,
          createdAt: clock.now(),
        })
        assert.deepEqual(await store.entries.get(made.entry.id), made.entry)
        assert.equal(await store.entries.get(entryId('other')), undefined)
      },
    )

    storeTest(
      kind,
      'create: one with the same SPIFFE ID, parent and selectors is answered with the entry that is there, also within a call',
      async (store) => {
        const two = selectors('unix:uid:1', 'unix:gid:2')
        const [first, again, other] = await store.entries.create([
          entry('/web', { selectors: two, hint: 'first' }),
          entry('/web', { selectors: two.toReversed(), hint: 'second' }),
          entry('/web', { selectors: selectors('unix:uid:1') }),
        ])
        assert.equal(first?.kind, 'created')
        assert.deepEqual(again, { kind: 'similar', entry: first.entry })
        assert.equal(other?.kind, 'created')
        const [later] = await store.entries.create([entry('/web', { selectors: two })])
        assert.deepEqual(later, { kind: 'similar', entry: first.entry })
        const elsewhere = entry('/web', { selectors: two, parentId: id('/spire/agent/b') })
        assert.equal((await store.entries.create([elsewhere]))[0]?.kind, 'created')
        assert.equal(await store.entries.count({}), 3)
      },
    )

    storeTest(
      kind,
      'create: an id that is taken is refused with the entry that has it',
      async (store) => {
        const named = { id: entryId('mine') }
        const [first, second] = await store.entries.create([entry('/a', named), entry('/b', named)])
        assert.equal(first?.entry.id, 'mine')
        assert.deepEqual(second, { kind: 'id_taken', entry: first.entry })
        const [third] = await store.entries.create([entry('/c', named)])
        assert.deepEqual(third, { kind: 'id_taken', entry: first.entry })
      },
    )

    storeTest(
      kind,
      'create: what must never be kept is refused, and nothing of the call is there',
      async (store) => {
        for (const bad of [
          { selectors: [] },
          { hint: 'a\0b' },
          { hint: '\ud800' },
          { hint: 'x'.repeat(1025) },
        ])
          await assert.rejects(store.entries.create([entry('/ok'), entry('/bad', bad)]), {
            code: 'request_invalid',
          })
        assert.equal(await store.entries.count({}), 0)
      },
    )

    storeTest(kind, 'create: texts as long as the standards let them be', async (store) => {
      const long = entry(`/${'x'.repeat(2000)}`, {
        id: entryId('i'.repeat(255)),
        parentId: id(`/${'y'.repeat(2000)}`),
        selectors: selectors(`unix:path:${'z'.repeat(8000)}`),
        hint: 'h'.repeat(1024),
      })
      const [made] = await store.entries.create([long])
      const filter = { spiffeId: long.spiffeId, parentId: long.parentId, hint: long.hint }
      const { items } = await store.entries.list(
        { ...filter, selectors: { match: 'exact', of: long.selectors } },
        { limit: 10 },
      )
      assert.deepEqual(items, [made?.entry])
    })

    storeTest(
      kind,
      'update: is given the entry as it is, counts its revision, and says what became of it',
      async (store) => {
        const [made, other] = await store.entries.create([entry('/a'), entry('/b')])
        const change = {
          id: made!.entry.id,
          change: (was: object) => ({ ...entry('/a'), ...was, hint: 'x' }),
        }
        const missing = { id: entryId('none'), change: () => entry('/a') }
        const like = { id: other!.entry.id, change: () => entry('/a') }
        const moved = { id: made!.entry.id, change: () => entry('/c') }
        const outcomes = await store.entries.update([change, change, missing, like, moved, like])
        const kindsOf = outcomes.map(({ kind }) => kind)
        assert.deepEqual(kindsOf, [
          'updated',
          'unchanged',
          'not_found',
          'similar',
          'updated',
          'updated',
        ])
        const now = await store.entries.get(made!.entry.id)
        assert.deepEqual(now, { ...made!.entry, ...entry('/c'), revision: 2 })
        assert.deepEqual((await store.entries.get(other!.entry.id))?.spiffeId, id('/a'))
      },
    )

    storeTest(
      kind,
      'update: is found by what it says now, and by nothing it said before',
      async (store) => {
        const before = { selectors: selectors('a:1'), federatesWith: [td('one.test')], hint: 'one' }
        const after = { selectors: selectors('a:2'), federatesWith: [td('two.test')], hint: 'two' }
        const [made] = await store.entries.create([entry('/a', before)])
        await store.entries.update([{ id: made!.entry.id, change: () => entry('/a', after) }])
        const found = async (one: typeof before) => {
          const filters: readonly EntryFilter[] = [
            { hint: one.hint },
            { selectors: { match: 'exact', of: one.selectors } },
            { federatesWith: { match: 'any', of: one.federatesWith } },
          ]
          return await Promise.all(filters.map((filter) => store.entries.count(filter)))
        }
        assert.deepEqual(await found(before), [0, 0, 0])
        assert.deepEqual(await found(after), [1, 1, 1])
      },
    )

    storeTest(
      kind,
      'delete: says what was there; an id named twice is found once',
      async (store) => {
        const [made] = await store.entries.create([
          entry('/a', { federatesWith: [td('one.test')] }),
        ])
        const { id: own } = made!.entry
        assert.deepEqual(await store.entries.delete([own, own, entryId('none')]), [
          { kind: 'deleted', was: made!.entry },
          { kind: 'not_found' },
          { kind: 'not_found' },
        ])
        assert.equal((await store.entries.create([entry('/a')]))[0]?.kind, 'created')
        assert.equal(
          await store.entries.count({ federatesWith: { match: 'any', of: [td('one.test')] } }),
          0,
        )
      },
    )
  })
}
