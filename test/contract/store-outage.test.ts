/** A PostgreSQL that is away, slow, or cut off in the middle of a change. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PostgresTarget } from '../../src/store/postgres/target.ts'
import type { Store } from '../../src/store/port.ts'
import { proxyTo } from '../fakes/postgres-proxy.ts'
import type { PostgresProxy } from '../fakes/postgres-proxy.ts'
import type { PostgresServer } from '../fakes/postgres-server.ts'
import { agent, entry, entryId, id } from '../fakes/store-values.ts'
import { placeOf, sharedPostgres } from './stores.ts'

interface Cut {
  readonly store: Store
  readonly proxy: PostgresProxy
  readonly server: PostgresServer
  readonly target: PostgresTarget
}

function outageTest(says: string, run: (cut: Cut, t: TestContext) => Promise<void>): void {
  test(says, async (t) => {
    const server = await sharedPostgres(t)
    if (server === undefined) return
    const target = await server.database()
    const proxy = await proxyTo(t, target)
    const { open } = placeOf(t, { kind: 'postgres', target: proxy.target })
    await run({ store: await open(), proxy, server, target }, t)
  })
}

describe('Store, postgres: outages', { concurrency: true }, () => {
  outageTest(
    'a connection that is lost in a change is replaced, and the change is made',
    async ({ store, proxy }) => {
      for (const text of ['begin', 'from "meta"', 'insert into "entries"', 'pg_notify']) {
        for (const when of ['before', 'after'] as const) {
          const cuts = proxy.cuts
          proxy.cutAt(text, when)
          const [made] = await store.entries.create([
            entry(`/${text}/${when}`.replaceAll(/[^a-z/]/g, '')),
          ])
          assert.equal(made?.kind, 'created', `${when} ${text}`)
          assert.equal(proxy.cuts, cuts + 1)
        }
      }
      assert.equal(await store.entries.count({}), 8)
      assert.equal((await store.changes.position()).revision, 8)
    },
  )

  outageTest(
    'a connection that is lost at the commit: whether it is there is asked, and made once more if not',
    async ({ store, proxy }) => {
      await store.joinTokens.create('secret', { expiresAt: 9 })
      let revision = 0
      for (const when of ['before', 'after'] as const) {
        const heard: number[] = []
        const stop = store.changes.revisions.subscribe(() =>
          heard.push(store.changes.revisions.current),
        )
        proxy.cutAt('commit', when)
        let runs = 0
        const [made, changed] = await Promise.all([
          store.entries.create([entry(`/${when}`, { id: entryId(when) })]),
          store.agents.change(id(`/spire/agent/${when}`), () => {
            runs++
            return agent(`/spire/agent/${when}`)
          }),
        ])
        stop()
        assert.deepEqual([made[0]?.kind, changed?.serial], ['created', '1'])
        assert.equal(runs, when === 'before' ? 2 : 1)
        assert.notEqual(await store.entries.get(entryId(when)), undefined)
        revision += 2
        assert.equal((await store.changes.position()).revision, revision)
        assert.ok(heard.includes(revision))
      }
      // A token that is spent, of which the node would not have heard.
      proxy.cutAt('commit', 'after')
      const node = id('/spire/agent/join_token/secret')
      const joining = () => agent('/spire/agent/join_token/secret')
      assert.equal(await store.joinTokens.join('secret', node, joining), 'joined')
      assert.equal(await store.joinTokens.get('secret'), undefined)
    },
  )

  outageTest(
    'a database that is lost at the commit and cannot be asked: that it is not known is said',
    async ({ store, proxy }) => {
      proxy.failAt('commit', 'down')
      await assert.rejects(store.entries.create([entry('/a')]), {
        code: 'store_unavailable',
        message: /whether the change was stored is not known/,
      })
      proxy.down = false
      await store.entries.create([entry('/b')])
      assert.equal(await store.entries.count({}), 1)
    },
  )

  outageTest('a connection that is lost in a read is replaced', async ({ store, proxy }) => {
    await store.entries.create([entry('/a')])
    proxy.cutAt('from "entries"', 'after')
    assert.equal(await store.entries.count({}), 1)
    assert.equal(proxy.cuts, 1)
  })

  outageTest(
    'a database that does not answer is given up on in time, and used again when it does',
    async ({ store, proxy }, t) => {
      await store.entries.create([entry('/a')])
      proxy.silent = true
      const start = performance.now()
      const outcomes = await Promise.allSettled([
        store.entries.count({}),
        store.entries.create([entry('/b')]),
        store.entries.create([entry('/c')]),
      ])
      const took = performance.now() - start
      for (const outcome of outcomes)
        assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'store_unavailable')
      t.diagnostic(`after ${Math.round(took)} ms`)
      assert(took < 25_000)
      proxy.silent = false
      const [made] = await store.entries.create([entry('/d')])
      assert.equal(made?.kind, 'created')
      assert.equal(await store.entries.count({}), 2)
    },
  )

  outageTest(
    'a change that another server holds up for too long is given up',
    async ({ store, server, target }) => {
      const start = performance.now()
      const holding = server.inBackground(
        'begin; select * from meta for update; select pg_sleep(60)',
        target.database,
      )
      try {
        await holding.started
        await assert.rejects(store.entries.create([entry('/a')]), {
          code: 'store_unavailable',
          message: /it took too long/,
        })
        assert.equal(await store.entries.count({}), 0, 'it is read meanwhile')
        assert(performance.now() - start < 15_000)
      } finally {
        await holding.stop()
      }
      await store.entries.create([entry('/a')])
    },
  )
})

test('a server that is not there, or refuses the login, is told without the password', async (t) => {
  const server = await sharedPostgres(t)
  if (server === undefined) return
  const target = await server.database()
  const password = 'p%ss wörd'
  for (const [wrong, says] of [
    [{ host: '/nonexistent' }, /cannot be reached/],
    [{ database: 'none' }, /no such database/],
    [{ user: 'nobody' }, /refuses the login/],
  ] as const) {
    const { open } = placeOf(t, { kind: 'postgres', target: { ...target, password, ...wrong } })
    await assert.rejects(open(), (thrown: Error) => {
      assert.match(thrown.message, says)
      assert(!JSON.stringify([thrown.message, thrown.stack, thrown]).includes(password))
      return 'code' in thrown && thrown.code === 'store_unavailable'
    })
  }
})
