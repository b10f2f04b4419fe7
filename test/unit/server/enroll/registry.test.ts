import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EntryId } from '../../../../src/registration/server-entry.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { RegistryChange } from '../../../../src/server/enroll/registry.ts'
import type { EntryChange } from '../../../../src/store/port.ts'
import { agent, bundle, entry, entryId, id, td } from '../../../fakes/store-values.ts'
import { setUp } from './setting.ts'

const a = id('/spire/agent/a')
const b = id('/spire/agent/b')
const e1 = entryId('e1')
const w1 = entry('/w1', { id: e1 })
const w2 = entry('/w2', { id: entryId('e2') })
const hinted = (of: EntryId, hint: string): EntryChange => ({
  id: of,
  change: (known) => ({ ...known, hint }),
})

test('openRegistry shows what the store has, and each change with the agents it concerns', async (t) => {
  const { registry, store, changes } = await setUp(t, async (store) => {
    await store.agents.change(a, () => agent('/spire/agent/a'))
    await store.entries.create([entry('/w1', { id: e1 })])
    await store.bundles.change(td('example.org'), () => bundle('example.org'))
  })
  assert.deepEqual(
    registry.entriesOf(a).map((one) => one.id),
    ['e1'],
  )
  assert.equal(registry.mayServe(a, e1), true)
  assert.equal(registry.mayServe(b, e1), false)
  assert.equal(registry.agent(a)?.serial, '1')
  assert.equal(registry.bundle(td('example.org'))?.sequence, 1)
  assert.equal(registry.entriesNamed(id('/w1'))[0], registry.entry(e1))
  assert.deepEqual({ ...registry.counts }, { entries: 1, agents: 1, bundles: 1 })

  await store.entries.create([
    entry('/w2', { id: entryId('e2') }),
    entry('/w3', { id: entryId('e3') }),
  ])
  await registry.caughtUp()
  assert.equal(registry.entriesOf(a).length, 3)
  assert.deepEqual(registry.position, await store.changes.position())
  assert.deepEqual(changes, [
    {
      entries: new Set(['e2', 'e3']),
      serving: new Set([a]),
      bundles: new Set(),
      agents: new Set(),
      position: registry.position,
    },
  ])
  const kept = registry.entry(e1)
  await store.bundles.change(td('example.com'), () => bundle('example.com'))
  await store.agents.change(b, () => agent('/spire/agent/b'))
  await store.entries.delete([entryId('e2')])
  await registry.caughtUp()
  const told = (what: 'bundles' | 'agents'): readonly string[] =>
    changes.flatMap((change) => Array.from<string>(change[what]))
  assert.deepEqual([told('bundles'), told('agents')], [['example.com'], [b]])
  assert.equal(registry.entry(entryId('e2')), undefined)
  assert.equal(registry.entry(e1), kept, 'what has not changed is the same object')
})

test('openRegistry never shows half of a commit, also where a value it reads is newer than the change it was told of', async (t) => {
  const { store, open } = await setUp(t, (filled) => filled.entries.create([w1, w2]))
  const [w1Id, w2Id] = [e1, entryId('e2')]
  let meddle = false
  const registry = await open({
    ...store,
    entries: {
      ...store.entries,
      async getMany(ids) {
        // Committed after the log was read and before the value is: both at once.
        if (meddle) {
          meddle = false
          await store.entries.update([hinted(w1Id, 'second'), hinted(w2Id, 'second')])
        }
        return await store.entries.getMany(ids)
      },
    },
  })
  const seen: (readonly (string | undefined)[])[] = []
  registry.onChange(() => seen.push([registry.entry(w1Id)?.hint, registry.entry(w2Id)?.hint]))
  meddle = true
  await store.entries.update([hinted(w1Id, 'first')])
  await registry.refreshed()
  assert.equal(meddle, false)
  assert.deepEqual(seen, [['second', 'second']])
  assert.deepEqual(registry.position, await store.changes.position())
})

test('openRegistry keeps what it has while the store is away, and catches up by itself', async (t) => {
  const { store, open, clock, lines } = await setUp(t, (filled) => filled.entries.create([w1]))
  let away = false
  const registry = await open({
    ...store,
    changes: {
      ...store.changes,
      since: (from, limit) =>
        away
          ? Promise.reject(new SpindleError('store_unavailable', 'no database'))
          : store.changes.since(from, limit),
    },
  })
  await registry.refreshed()
  away = true
  await store.entries.create([w2])
  await assert.rejects(registry.caughtUp(), { code: 'store_unavailable' })
  await assert.rejects(registry.refreshed(), { code: 'store_unavailable' })
  assert.equal(registry.counts.entries, 1)
  assert.equal(lines.filter((line) => line.includes('stays as it was')).length, 1)
  away = false
  let wake = (): void => undefined
  const changed = new Promise<void>((resolve) => (wake = resolve))
  registry.onChange(wake)
  await clock.advance(15_000)
  await changed
  assert.equal(registry.counts.entries, 2)
  assert.match(lines.join(''), /read again/)
})

test('Registry shows what was changed, or says in the log that it does not yet, and lets nobody wait for long', async (t) => {
  const { store, open, clock, lines } = await setUp(t, (filled) => filled.entries.create([w1]))
  let reading: () => Promise<unknown> = () => Promise.resolve()
  const registry = await open({
    ...store,
    changes: {
      ...store.changes,
      since: async (from, limit) => {
        await reading()
        return await store.changes.since(from, limit)
      },
    },
  })
  await registry.refreshed()
  await store.entries.create([w2])
  await registry.shown()
  assert.equal(registry.counts.entries, 2)
  reading = () => Promise.reject(new SpindleError('store_unavailable', 'no database'))
  await store.entries.delete([e1])
  await registry.shown()
  assert.equal(registry.counts.entries, 2)
  const told = () => lines.filter((line) => line.includes('before this server shows it'))
  assert.match(told().join(''), /"why":"no database"/)
  let read = (): void => undefined
  reading = () => new Promise<void>((resolve) => (read = resolve))
  let answered = false
  const idle = clock.pending
  const shown = registry.shown().then(() => (answered = true))
  assert.equal(clock.pending, idle + 1)
  await clock.advance(4_999)
  assert.equal(answered, false)
  await clock.advance(1)
  await shown
  assert.match(told()[1]!, /"why":"the store takes over 5 s"/)
  const caughtUp = registry.caughtUp()
  reading = () => Promise.resolve()
  read()
  await caughtUp
  assert.equal(registry.counts.entries, 1)
  await registry.shown()
  assert.equal(told().length, 2)
})

test('openRegistry reads all again where the log does not lead on, and tells of what differs alone', async (t) => {
  const { store, open, clock } = await setUp(t, async (filled) => {
    await filled.agents.change(a, () => agent('/spire/agent/a'))
    await filled.agents.change(b, () => agent('/spire/agent/b'))
    await filled.entries.create([w1, w2, entry('/w3', { id: entryId('e3'), parentId: b })])
    await filled.bundles.change(td('example.com'), () => bundle('example.com'))
  })
  // Its log has forgotten what it does not hear of.
  let deaf = true
  const registry = await open({
    ...store,
    changes: {
      ...store.changes,
      since: async (from, limit) =>
        deaf
          ? { kind: 'changes', changes: [], position: from, more: false }
          : await store.changes.since(from, limit),
    },
  })
  const changes: RegistryChange[] = []
  registry.onChange((change) => changes.push(change))
  const kept = registry.entry(entryId('e3'))
  await store.entries.update([hinted(e1, 'new')])
  await store.entries.delete([entryId('e2')])
  await store.bundles.delete(td('example.com'), 'restrict')
  clock.jump(1)
  await store.changes.prune(clock.now())
  deaf = false
  await registry.refreshed()
  assert.deepEqual(changes, [
    {
      entries: new Set(['e1', 'e2']),
      serving: new Set([a]),
      bundles: new Set(['example.com']),
      agents: new Set(),
      position: await store.changes.position(),
    },
  ])
  assert.equal(registry.entry(e1)?.hint, 'new')
  assert.equal(registry.entry(entryId('e2')), undefined)
  assert.equal(registry.entry(entryId('e3')), kept)
})

test('openRegistry takes what another lineage has for what it is, though revisions are those it knows', async (t) => {
  const { registry, changes } = await setUp(t, (filled) => filled.entries.create([w1]))
  const before = registry.entry(e1)!
  // As a database that was brought back from a backup, under a server that runs.
  const other = { ...before, hint: 'of the backup' }
  const { store, open } = await setUp(t)
  let moved = false
  const follower = await open({
    ...store,
    changes: {
      ...store.changes,
      since: async (from, limit) =>
        moved && from.lineage !== 'other'
          ? { kind: 'start_anew', position: { lineage: 'other', revision: 1 } }
          : from.lineage === 'other'
            ? { kind: 'changes', changes: [], position: from, more: false }
            : await store.changes.since(from, limit),
      position: async () =>
        moved ? { lineage: 'other', revision: 1 } : await store.changes.position(),
    },
    entries: {
      ...store.entries,
      list: async () => ({ items: [moved ? other : before] }),
    },
  })
  assert.equal(follower.entry(e1)?.hint, '')
  moved = true
  await follower.refreshed()
  assert.equal(follower.entry(e1)?.hint, 'of the backup')
  assert.deepEqual(follower.position, { lineage: 'other', revision: 1 })
  assert.deepEqual(
    follower.entriesOf(a).map(({ hint }) => hint),
    ['of the backup'],
  )
  assert.equal(changes.length, 0)
})

test('Registry answers nobody once it is closed', async (t) => {
  const { registry, store, changes } = await setUp(t)
  await registry.close()
  await assert.rejects(registry.refreshed(), { code: 'store_unavailable' })
  await store.entries.create([w1])
  await assert.rejects(registry.caughtUp(), { code: 'store_unavailable' })
  assert.deepEqual(changes, [])
})

test('openRegistry reads all pages, and what changes while it reads', async (t) => {
  const { store, open } = await setUp(t, async (filled) => {
    const all = Array.from({ length: 2_100 }, (_, at) => {
      const name = `e${String(at).padStart(4, '0')}`
      return entry(`/${name}`, { id: entryId(name) })
    })
    await filled.entries.create(all)
  })
  let pages = 0
  const registry = await open({
    ...store,
    entries: {
      ...store.entries,
      async list(filter, page) {
        const read = await store.entries.list(filter, page)
        pages += 1
        // Of the page that has been read, of those to come, and one that is in none of them.
        if (pages === 1) {
          await store.entries.delete([entryId('e0000'), entryId('e2099')])
          await store.entries.update([hinted(entryId('e0001'), 'h'), hinted(entryId('e2000'), 'h')])
          await store.entries.create([entry('/first', { id: entryId('a') })])
        }
        return read
      },
    },
  })
  assert.equal(pages, 3)
  const served = registry.entriesOf(a)
  assert.equal(served.length, 2_099)
  assert.deepEqual(
    served.filter(({ hint }) => hint === 'h').map((one) => one.id),
    ['e0001', 'e2000'],
  )
  assert.equal(registry.entry(entryId('e0000')), undefined)
  assert.equal(registry.entry(entryId('e2099')), undefined)
  assert.notEqual(registry.entry(entryId('a')), undefined)
  assert.deepEqual(registry.position, await store.changes.position())
})
