/** Join tokens: one node comes in by each, however many come at once, at whichever server. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { Join, Store } from '../../src/store/port.ts'
import { agent, entry, id } from '../fakes/store-values.ts'
import { kinds, storeTest } from './stores.ts'

const PATH = '/spire/agent/join_token/secret'
const NODE = id(PATH)
/** The agent of whoever has this serial. */
const as =
  (serial: string): Join =>
  () => ({ agent: agent(PATH, { serial }) })

for (const kind of kinds) {
  describe(`Store, ${kind.name}: join tokens`, () => {
    storeTest(kind, 'are there until they are spent or pruned', async (store, { clock }) => {
      const token = { expiresAt: clock.now() + 1_000, alias: id('/node') }
      assert.equal(await store.joinTokens.create('secret', token), true)
      assert.equal(await store.joinTokens.create('secret', { expiresAt: 0 }), false)
      assert.deepEqual(await store.joinTokens.get('secret'), token)
      assert.deepEqual(await store.joinTokens.get('secret'), token, 'it is no more than looked at')
      await store.joinTokens.create('old', { expiresAt: 1 })
      await store.joinTokens.create('new', { expiresAt: 2 })
      const told: unknown[] = []
      assert.equal(await store.joinTokens.prune(1, (gone) => void told.push(...gone)), 1)
      assert.deepEqual(told, [{ expiresAt: 1 }])
      assert.equal(await store.joinTokens.get('old'), undefined)
      assert.deepEqual(await store.joinTokens.get('new'), { expiresAt: 2 })
      assert.equal(store.changes.revisions.current, 0, 'nobody else hears of them')
    })

    storeTest(kind, 'join stores the agent and the entry, and the token is gone', async (store) => {
      const token = { expiresAt: 9, alias: id('/node') }
      await store.joinTokens.create('secret', token)
      const alias = entry('/node', { parentId: NODE })
      const joined = await store.joinTokens.join('secret', NODE, (given, current) => {
        assert.deepEqual([given, current], [token, undefined])
        return { agent: agent(PATH, { serial: '7' }), entry: alias }
      })
      assert.ok(joined.kind === 'joined' && joined.entry !== undefined)
      assert.deepEqual(await store.entries.get(joined.entry.id), joined.entry)
      assert.deepEqual([joined.entry.spiffeId, joined.entry.parentId], [id('/node'), NODE])
      assert.equal((await store.agents.get(NODE))?.serial, '7')
      assert.equal(await store.joinTokens.get('secret'), undefined)
      const position = await store.changes.position()
      const told = await store.changes.since({ ...position, revision: 0 }, 10)
      assert.deepEqual(told.kind === 'changes' && told.changes.map(({ kind }) => kind), [
        'agent',
        'entry',
      ])
      // The next one finds an entry like its own.
      await store.joinTokens.create('secret', token)
      const again = await store.joinTokens.join('secret', NODE, (_, current) => {
        assert.equal(current?.serial, '7')
        return { agent: agent(PATH, { serial: '8' }), entry: alias }
      })
      assert.deepEqual(again, { kind: 'joined' })
      assert.equal(await store.entries.count({}), 1)
    })

    storeTest(
      kind,
      'one that may not join changes nothing, nor one without a token',
      async (store) => {
        const token = { expiresAt: 9 }
        await store.joinTokens.create('secret', token)
        await store.agents.change(NODE, () => agent(PATH, { banned: true }))
        const before = await store.changes.position()
        const refused = await store.joinTokens.join('secret', NODE, (_, current) => {
          assert.equal(current?.banned, true)
          return undefined
        })
        assert.deepEqual(refused, { kind: 'refused' })
        const none = await store.joinTokens.join('another', NODE, () => assert.fail('it was asked'))
        assert.deepEqual(none, { kind: 'not_found' })
        assert.deepEqual(await store.joinTokens.get('secret'), token)
        assert.deepEqual(await store.changes.position(), before)
        assert.deepEqual(await store.agents.get(NODE), agent(PATH, { banned: true }))
      },
    )

    storeTest(kind, 'an entry that cannot be kept leaves the token and no agent', async (store) => {
      await store.joinTokens.create('secret', { expiresAt: 9 })
      const joining = { agent: agent(PATH), entry: entry('/node', { selectors: [] }) }
      await assert.rejects(
        store.joinTokens.join('secret', NODE, () => joining),
        { code: 'request_invalid' },
      )
      assert.deepEqual(await store.joinTokens.get('secret'), { expiresAt: 9 })
      assert.equal(await store.agents.count({}), 0)
    })

    storeTest(kind, 'of many at once one joins, and it is its agent', async (store, place) => {
      // Another server, where the database is one that several share.
      const other = kind.name === 'postgres' ? await place.open() : store
      for (let round = 0; round < 5; round++) {
        await store.joinTokens.create('secret', { expiresAt: 9 })
        const ask = (at: number): ReturnType<Store['joinTokens']['join']> =>
          (at % 2 === 0 ? store : other).joinTokens.join('secret', NODE, as(`${round}-${at}`))
        const outcomes = await Promise.all(Array.from({ length: 10 }, (_, at) => ask(at)))
        const winners = outcomes.flatMap((one, at) => (one.kind === 'joined' ? [at] : []))
        assert.equal(winners.length, 1)
        assert.ok(outcomes.every(({ kind }) => kind === 'joined' || kind === 'not_found'))
        assert.equal((await store.agents.get(NODE))?.serial, `${round}-${winners[0]}`)
      }
    })
  })
}
