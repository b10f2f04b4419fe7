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
  () =>
    agent(PATH, { serial })

for (const kind of kinds) {
  describe(`Store, ${kind.name}: join tokens`, () => {
    storeTest(kind, 'are there until they are spent or pruned', async (store, { clock }) => {
      const token = { expiresAt: clock.now() + 1_000, alias: id('/node') }
      assert.deepEqual(await store.joinTokens.create('secret', token), { kind: 'created' })
      const again = await store.joinTokens.create('secret', { expiresAt: 0 }, entry('/other'))
      assert.deepEqual(again, { kind: 'taken' })
      assert.equal(await store.entries.count({}), 0)
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

    storeTest(kind, 'an entry comes with its token, or is there already', async (store) => {
      const token = { expiresAt: 9, alias: id('/node') }
      const alias = entry('/node', { parentId: NODE })
      const made = await store.joinTokens.create('secret', token, alias)
      assert.ok(made.kind === 'created' && made.entry !== undefined)
      assert.deepEqual(await store.entries.get(made.entry.id), made.entry)
      assert.deepEqual([made.entry.spiffeId, made.entry.parentId], [id('/node'), NODE])
      const like = await store.joinTokens.create('another', token, alias)
      assert.deepEqual(like, { kind: 'created' })
      assert.equal(await store.entries.count({}), 1)
    })

    storeTest(kind, 'an entry that cannot be kept leaves no token', async (store) => {
      const none = entry('/node', { selectors: [] })
      await assert.rejects(store.joinTokens.create('secret', { expiresAt: 9 }, none), {
        code: 'request_invalid',
      })
      assert.equal(await store.joinTokens.get('secret'), undefined)
    })

    storeTest(kind, 'join stores the agent, and the token is gone', async (store) => {
      const token = { expiresAt: 9, alias: id('/node') }
      await store.joinTokens.create('secret', token)
      const joined = await store.joinTokens.join('secret', NODE, (given, current) => {
        assert.deepEqual([given, current], [token, undefined])
        return agent(PATH, { serial: '7' })
      })
      assert.equal(joined, 'joined')
      assert.equal((await store.agents.get(NODE))?.serial, '7')
      assert.equal(await store.joinTokens.get('secret'), undefined)
      const position = await store.changes.position()
      const told = await store.changes.since({ ...position, revision: 0 }, 10)
      assert.deepEqual(told.kind === 'changes' && told.changes.map(({ kind }) => kind), ['agent'])
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
        assert.equal(refused, 'refused')
        const none = await store.joinTokens.join('another', NODE, () => assert.fail('it was asked'))
        assert.equal(none, 'not_found')
        assert.deepEqual(await store.joinTokens.get('secret'), token)
        assert.deepEqual(await store.changes.position(), before)
        assert.deepEqual(await store.agents.get(NODE), agent(PATH, { banned: true }))
      },
    )

    storeTest(kind, 'an agent that cannot be kept leaves the token', async (store) => {
      await store.joinTokens.create('secret', { expiresAt: 9 })
      const joining = agent(PATH, { attestationType: '\0' })
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
        const winners = outcomes.flatMap((one, at) => (one === 'joined' ? [at] : []))
        assert.equal(winners.length, 1)
        assert.ok(outcomes.every((one) => one === 'joined' || one === 'not_found'))
        assert.equal((await store.agents.get(NODE))?.serial, `${round}-${winners[0]}`)
      }
    })
  })
}
