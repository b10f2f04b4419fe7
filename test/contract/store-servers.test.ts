/** Several servers on one PostgreSQL database. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PostgresTarget } from '../../src/store/postgres/target.ts'
import type { Store } from '../../src/store/port.ts'
import type { PostgresServer } from '../fakes/postgres-server.ts'
import { eventually } from '../e2e/rig/rig.ts'
import { until } from '../fakes/until.ts'
import { entry } from '../fakes/store-values.ts'
import { placeOf, sharedPostgres } from './stores.ts'
import type { Place } from './stores.ts'

interface Shared {
  readonly server: PostgresServer
  readonly target: PostgresTarget
  /** A server's own way to the database, with its own clock. */
  readonly place: () => Place
}

function serverTest(
  says: string,
  run: (shared: Shared, t: TestContext) => Promise<void>,
  options = '',
): void {
  test(says, async (t) => {
    const server = await sharedPostgres(t)
    if (server === undefined) return
    const target = await server.database(options)
    await run({ server, target, place: () => placeOf(t, { kind: 'postgres', target }) }, t)
  })
}

const listening = ({ server, target }: Shared): number =>
  Number(
    server.query(
      `select count(*) from pg_stat_activity where datname = '${target.database}' and application_name = 'spindle-listener' and query = 'select 1'`,
    ),
  )
const heard = (store: Store, revision: number): Promise<number> =>
  until(store.changes.revisions, (current) => current >= revision)
const listeners = (shared: Shared, count: number): Promise<boolean> =>
  eventually(`${count} listen`, () => listening(shared) === count)

describe('Store, several servers', () => {
  serverTest(
    'a change of one is heard by the other at once, without its clock',
    async (shared, t) => {
      const [here, there] = [await shared.place().open(), await shared.place().open()]
      await listeners(shared, 2)
      const waits: number[] = []
      for (let at = 1; at <= 20; at++) {
        const start = performance.now()
        await here.entries.create([entry(`/${at}`)])
        await heard(there, at)
        waits.push(performance.now() - start)
      }
      const told = await there.changes.since(
        { ...(await here.changes.position()), revision: 0 },
        100,
      )
      assert.equal(told.kind === 'changes' && told.changes.length, 20)
      const median = waits.toSorted((a, b) => a - b)[10]!
      t.diagnostic(`committed and heard in ${median.toFixed(1)} ms (median of 20)`)
      assert(median < 100, `${median} ms`)
    },
  )

  serverTest(
    'changes at once get revisions of their own, in the order in which they can be seen',
    async ({ place }) => {
      const stores = [await place().open(), await place().open(), await place().open()]
      const lineage = (await stores[0]!.changes.position()).lineage
      let position = { lineage, revision: 0 }
      const seen = new Map<string, number>()
      let done = false
      const reader = (async () => {
        for (let last = false; !last;) {
          last = done
          const told = await stores[0]!.changes.since(position, 1000)
          assert(told.kind === 'changes')
          for (const { key, revision } of told.changes) {
            assert(revision > position.revision, 'never one behind where the reader is')
            assert(!seen.has(key), 'each of these changes once')
            seen.set(key, revision)
          }
          position = told.position
        }
      })()
      await Promise.all(
        stores.flatMap((store, server) =>
          Array.from({ length: 60 }, async (_, at) => {
            // Some in one group, some after it.
            if (at % 3 === 0) await store.entries.count({})
            await store.entries.create([entry(`/${server}/${at}`)])
          }),
        ),
      )
      done = true
      await reader
      assert.equal(seen.size, 180)
      assert.deepEqual(new Set(seen.values()).size, 180)
      assert.equal(position.revision, 180)
    },
  )

  serverTest(
    'one of two that create the same entry at once is answered with the other',
    async ({ place }) => {
      const stores = [await place().open(), await place().open()]
      for (let at = 0; at < 20; at++) {
        const both = await Promise.all(
          stores.map((store) => store.entries.create([entry(`/${at}`)])),
        )
        const kinds = both.map(([outcome]) => outcome!.kind).toSorted()
        assert.deepEqual(kinds, ['created', 'similar'])
        assert.deepEqual(both[0]![0]!.entry, both[1]![0]!.entry)
      }
    },
  )

  serverTest(
    'what was committed while the connection that listens was lost is heard of once it is back',
    async (shared) => {
      const { server, target } = shared
      const [here, at] = [await shared.place().open(), shared.place()]
      const there = await at.open()
      await listeners(shared, 2)
      server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${target.database}' and application_name = 'spindle-listener'`,
      )
      await listeners(shared, 0)
      await here.entries.create([entry('/a')])
      assert.equal(there.changes.revisions.current, 0)
      await at.clock.advance(1_000)
      await heard(there, 1)
    },
  )

  serverTest('a commit that nobody gave notice of is found after 30 s', async (shared) => {
    const { server, target } = shared
    const at = shared.place()
    const store = await at.open()
    await eventually('the next look is set', () => at.clock.pending > 0)
    server.query('update meta set revision = 7', target.database)
    await at.clock.advance(29_000)
    assert.equal(store.changes.revisions.current, 0)
    await at.clock.advance(1_000)
    await heard(store, 7)
  })

  serverTest('a notice of what is not committed is not believed', async (shared) => {
    const { server, target } = shared
    const [here, there] = [await shared.place().open(), await shared.place().open()]
    await listeners(shared, 2)
    for (const text of ['999', 'x', '']) {
      server.query(`notify spindle_revision, '${text}'`, target.database)
    }
    const told: number[] = []
    there.changes.revisions.subscribe((revision) => told.push(revision))
    await here.entries.create([entry('/a')])
    await heard(there, 1)
    assert.deepEqual(told, [1])
  })

  serverTest(
    'several that start at once on an empty database make its tables once',
    async ({ place }) => {
      const stores = await Promise.all(Array.from({ length: 4 }, () => place().open()))
      const lineages = await Promise.all(
        stores.map(async (store) => (await store.changes.position()).lineage),
      )
      assert.equal(new Set(lineages).size, 1)
    },
  )

  serverTest(
    'a database that a newer version wrote is left alone, also by a server that runs',
    async ({ place, server, target }) => {
      const store = await place().open()
      await store.entries.create([entry('/a')])
      server.query('update meta set schema_version = 99', target.database)
      await assert.rejects(store.entries.create([entry('/b')]), { code: 'store_newer' })
      await assert.rejects(place().open(), { code: 'store_newer', message: /version 99/ })
      assert.equal(server.query('select count(*) from entries', target.database), '1')
    },
  )

  serverTest(
    'a value that was changed by hand is not believed',
    async ({ place, server, target }) => {
      const store = await place().open()
      const [made] = await store.entries.create([entry('/a')])
      server.query(`update entries set body = replace(body, '/a', '/b')`, target.database)
      await assert.rejects(store.entries.get(made!.entry.id), { code: 'store_corrupt' })
    },
  )

  serverTest(
    'a database that answers a commit before it is on its disk is refused',
    async ({ place, server, target }) => {
      server.query(`alter database ${target.database} set synchronous_commit = off`)
      await assert.rejects(place().open(), {
        code: 'config_invalid',
        message: /synchronous_commit/,
      })
    },
  )

  serverTest(
    'a database that is not UTF-8 is refused',
    async ({ place }) => {
      await assert.rejects(place().open(), { code: 'config_invalid', message: /SQL_ASCII/ })
    },
    `encoding 'SQL_ASCII' template template0`,
  )

  serverTest('backup is for SQLite', async ({ place }) => {
    const store = await place().open()
    await assert.rejects(store.backup('/nowhere'), { code: 'unsupported', message: /pg_dump/ })
  })
})
