/** What SQLite alone has: a copy while it is in use, and files of its own. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { temporaryFolder } from '../fakes/folder.ts'
import { entry, entryId } from '../fakes/store-values.ts'
import { placeOf } from './stores.ts'
import type { Place } from './stores.ts'

function placeAt(t: TestContext): Place & { readonly path: string } {
  const path = join(temporaryFolder(t), 'store.db')
  return { ...placeOf(t, { kind: 'sqlite', path }), path }
}

describe('Store, sqlite: files', () => {
  test('a copy that is made while entries come is whole, and has a lineage of its own', async (t) => {
    const { open, path } = placeAt(t)
    const store = await open()
    await store.entries.create(Array.from({ length: 900 }, (_, at) => entry(`/${at}`)))
    const at = await store.changes.position()
    const to = join(dirname(path), 'copy.db')
    let done = false
    const coming = (async () => {
      for (let more = 0; !done && more < 2_000; more++)
        await store.entries.create([entry(`/more/${more}`)])
    })()
    await store.backup(to)
    done = true
    await coming
    const copy = await placeOf(t, { kind: 'sqlite', path: to }).open()
    const position = await copy.changes.position()
    const count = await copy.entries.count({})
    assert(
      count >= 900 && count === position.revision,
      `${count} entries, revision ${position.revision}`,
    )
    assert.notEqual(position.lineage, at.lineage)
    assert.equal((await copy.changes.since(at, 10)).kind, 'start_anew')
    assert.equal((await store.changes.position()).lineage, at.lineage)
    assert.equal((await copy.entries.create([entry('/0')]))[0]?.kind, 'similar')
  })

  test('a copy replaces nothing, and one that fails leaves nothing', async (t) => {
    const { open, path } = placeAt(t)
    const store = await open()
    await assert.rejects(store.backup(path), { code: 'request_invalid', message: /there already/ })
    const nowhere = join(dirname(path), 'none/copy.db')
    await assert.rejects(store.backup(nowhere), { code: 'store_unavailable' })
    assert.deepEqual(readdirSync(dirname(path)).sort(), [
      'store.db',
      'store.db-shm',
      'store.db-wal',
    ])
  })

  test('its files are its owner’s alone, and after a close there is one', async (t) => {
    const { open, path } = placeAt(t)
    const store = await open()
    await store.entries.create([entry('/a')])
    const to = join(dirname(path), 'copy.db')
    await store.backup(to)
    for (const name of readdirSync(dirname(path)))
      assert.equal(statSync(join(dirname(path), name)).mode & 0o777, 0o600, name)
    await store.close()
    assert.deepEqual(readdirSync(dirname(path)).sort(), ['copy.db', 'store.db'])
  })

  test('the steps that a damaged one is told with lead to a server that runs, from the copy or from nothing', async (t) => {
    const { open, path } = placeAt(t)
    const folder = dirname(path)
    const store = await open()
    await store.entries.create([entry('/a', { id: entryId('a') })])
    await store.backup(join(folder, 'copy.db'))
    await store.close()
    writeFileSync(path, readFileSync(path).subarray(0, 8_192))
    const told = await open().then(
      () => assert.fail('it was opened'),
      (thrown: Error) => thrown.message,
    )
    const [move, copy] = Array.from(told.matchAll(/^ {2}\d\. (.*)$/gm), ([, command]) => command!)
    const shell = (command: string) => execFileSync('sh', ['-ec', command])
    shell(move!)
    shell(copy!.replace('BACKUP', join(folder, 'copy.db')))
    const again = await open()
    assert.equal((await again.entries.get(entryId('a')))?.spiffeId, 'spiffe://example.org/a')
    await again.close()
    renameSync(path, `${path}.set-aside-x`)
    await assert.rejects(open(), { code: 'store_unavailable' })
    shell(`rm -r ${path}.damaged; ${move!}`)
    assert.equal(await (await open()).entries.count({}), 0)
  })

  test('a log without its database is set aside: no new one is begun on it', async (t) => {
    const { open, path } = placeAt(t)
    writeFileSync(`${path}-wal`, 'x')
    await assert.rejects(open(), { code: 'store_corrupt' })
    assert(!existsSync(path))
    assert(
      readdirSync(dirname(path)).some((name) => name.startsWith(`${basename(path)}.set-aside-`)),
    )
  })

  test('a database of a newer version is left alone', async (t) => {
    const { open, path } = placeAt(t)
    await (await open()).close()
    const database = new DatabaseSync(path)
    database.exec('update meta set schema_version = 99')
    database.close()
    const before = readFileSync(path)
    await assert.rejects(open(), { code: 'store_newer', message: /version 99, .* none after 2/ })
    assert(readFileSync(path).equals(before))
    assert.deepEqual(readdirSync(dirname(path)), ['store.db'])
  })

  test('a making that was cut short is made again', async (t) => {
    const { open, path } = placeAt(t)
    writeFileSync(`${path}.new`, 'half of it')
    assert.equal(await (await open()).entries.count({}), 0)
    assert(!existsSync(`${path}.new`))
  })

  test('a database that another process holds is waited for a little, then told as such', async (t) => {
    const { open, path } = placeAt(t)
    const store = await open()
    const other = new DatabaseSync(path)
    t.after(() => other.close())
    other.exec('begin immediate')
    await assert.rejects(store.entries.create([entry('/a')]), {
      code: 'store_unavailable',
      message: /another process holds it/,
    })
    assert.equal(await store.entries.count({}), 0)
    other.exec('rollback')
    await store.entries.create([entry('/a')])
  })
})
