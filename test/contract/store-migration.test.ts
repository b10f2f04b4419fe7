/** A store that an earlier version made is brought to the present one with all that is in it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { SCHEMA_VERSION } from '../../src/store/migrations.ts'
import type { AgentReport } from '../../src/store/model.ts'
import type { Store } from '../../src/store/port.ts'
import { metaCrc } from '../../src/store/rows/meta.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { agent, entry, id } from '../fakes/store-values.ts'
import { placeOf, sharedPostgres } from './stores.ts'
import type { Place } from './stores.ts'

/** What a database is without what came after version 1. */
const BACK = ['drop table agent_reports', 'update meta set schema_version = 1']

async function isBroughtOn(place: Place, takeBack: () => void): Promise<void> {
  const first = await place.open()
  const [made] = await first.entries.create([entry('/a')])
  await first.agents.change(id('/node'), () => agent('/node'))
  const before = await first.changes.position()
  await first.close()
  takeBack()
  for (const _ of ['brought on', 'opened again']) {
    const store: Store = await place.open()
    assert.deepEqual(await store.entries.get(made!.entry.id), made!.entry)
    assert.deepEqual(await store.changes.position(), before)
    const said: AgentReport = { serverId: 's', agent: id('/node'), x509: [], jwt: [], more: [] }
    await store.reports.put('s', new Map([[said.agent, said]]))
    assert.deepEqual((await store.reports.ofOthers('t', { limit: 1 })).items, [said])
    await store.close()
  }
}

test('a SQLite database of version 1 is brought to the present version', async (t) => {
  assert.equal(SCHEMA_VERSION, 2)
  const path = join(temporaryFolder(t), 'store.db')
  await isBroughtOn(placeOf(t, { kind: 'sqlite', path }), () => {
    const database = new DatabaseSync(path)
    for (const statement of BACK) database.exec(statement)
    const meta = database.prepare('select * from meta').get() as never
    database.prepare('update meta set crc = ?').run(metaCrc(meta))
    database.close()
  })
})

test('a PostgreSQL database of version 1 is brought to the present version', async (t) => {
  const server = await sharedPostgres(t)
  if (server === undefined) return
  const target = await server.database()
  await isBroughtOn(placeOf(t, { kind: 'postgres', target }), () => {
    for (const statement of BACK) server.query(statement, target.database)
  })
})
