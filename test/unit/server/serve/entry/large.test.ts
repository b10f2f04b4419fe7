/** Batches and lists of thousands: others go on meanwhile, and each item is told what became of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import { SpindleError } from '../../../../../src/runtime/errors.ts'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createEntryService } from '../../../../../src/server/serve/entry/service.ts'
import type { Store } from '../../../../../src/store/port.ts'
import { entryId } from '../../../../fakes/store-values.ts'
import { setUp } from '../setting.ts'
import type { Setting } from '../setting.ts'
import { entry } from './messages.ts'

const { batchCreateEntry, batchUpdateEntry, batchDeleteEntry, listEntries } = EntryService.method
/** Of one commit. */
const A_LOT = 250
const MANY = 2_010
const entries = Array.from({ length: MANY }, (_, at) => entry(`/w/${at}`, { id: `e${at}` }))
const ids = entries.map(({ id }) => id!)

/** Runs `ask` and looks at each turn of the event loop how far the store and the registry are. */
async function watched({ store, registry }: Setting, ask: () => Promise<unknown>) {
  const seen = { stored: new Set<number>(), shown: new Set<number>() }
  let over = false
  const look = (): void => {
    seen.stored.add(store.changes.revisions.current)
    seen.shown.add(registry.position.revision)
    if (!over) setImmediate(look)
  }
  look()
  await ask()
  over = true
  return seen
}

test('a large batch is stored lot by lot, with turns for others and steps of the registry between', async (t) => {
  const setting = await setUp(t, createEntryService)
  const { call, store, audited } = setting
  const asks = [
    ['create', () => call(batchCreateEntry, { entries })],
    [
      'update',
      () => call(batchUpdateEntry, { entries: entries.map((one) => ({ ...one, hint: 'h' })) }),
    ],
    ['delete', () => call(batchDeleteEntry, { ids })],
  ] as const
  for (const [action, ask] of asks) {
    let answer: { results: { status?: { code: number } | undefined }[] } | undefined
    const seen = await watched(setting, async () => (answer = await ask()))
    assert.deepEqual(new Set(answer?.results.map((one) => one.status?.code)), new Set([status.OK]))
    const lots = Math.ceil(MANY / A_LOT)
    assert.ok(seen.stored.size > lots - 1, `${action}: ${seen.stored.size} states of the store`)
    assert.ok(seen.shown.size > 3, `${action}: ${seen.shown.size} states of the registry`)
    const lines = audited()
    assert.deepEqual(
      lines.map((line) => line.event === 'changed' && [line.action, line.key].join(' ')),
      ids.map((id) => `${action} ${id}`),
    )
  }
  assert.equal(await store.entries.count({}), 0)
})

test('a small change is not kept waiting by a large batch', async (t) => {
  const { call } = await setUp(t, createEntryService)
  let over = false
  const large = call(batchCreateEntry, { entries }).then(() => (over = true))
  await call(batchCreateEntry, { entries: [entry('/small')] })
  assert.equal(over, false)
  await large
})

test('items of one batch that are alike are told so, however far apart', async (t) => {
  const { call } = await setUp(t, createEntryService)
  const again = [...entries, entry('/w/0'), entry('/other', { id: 'e1' })]
  const { results } = await call(batchCreateEntry, { entries: again })
  assert.deepEqual(
    results.slice(MANY).map((one) => [one.status?.code, one.entry?.id]),
    [
      [status.ALREADY_EXISTS, 'e0'],
      [status.ALREADY_EXISTS, undefined],
    ],
  )
})

/** A store that fails from the nth call on that changes entries. */
function failingAt(store: Store, call: number): Store {
  let calls = 0
  const failing =
    <A, R>(change: (asked: A) => Promise<R>) =>
    (asked: A): Promise<R> =>
      ++calls >= call
        ? Promise.reject(new SpindleError('store_unavailable', 'the disk is full'))
        : change(asked)
  const { create, update, delete: remove } = store.entries
  const changing = { create: failing(create), update: failing(update), delete: failing(remove) }
  return { ...store, entries: { ...store.entries, ...changing } }
}

test('of a batch that can be stored in part each item says whether it is', async (t) => {
  for (const ask of ['create', 'delete'] as const) {
    const { call, store, audited } = await setUp(t, (parts) =>
      createEntryService({ ...parts, store: failingAt(parts.store, ask === 'create' ? 3 : 12) }),
    )
    if (ask === 'delete') await call(batchCreateEntry, { entries })
    audited()
    const { results } =
      ask === 'create'
        ? await call(batchCreateEntry, { entries })
        : await call(batchDeleteEntry, { ids })
    const done = 2 * A_LOT
    const told = (from: number, to: number) =>
      new Set(results.slice(from, to).map((one) => `${one.status?.code} ${one.status?.message}`))
    assert.equal(results.length, MANY)
    assert.deepEqual(told(0, done), new Set(['0 OK']))
    assert.deepEqual(
      told(done, done + A_LOT),
      new Set([`14 failed to ${ask} entry: the disk is full`]),
    )
    assert.deepEqual(
      told(done + A_LOT, MANY),
      new Set([`14 failed to ${ask} entry: not tried: one before it could not be stored`]),
    )
    assert.equal(audited().length, done)
    assert.equal(await store.entries.count({}), ask === 'create' ? done : MANY - done)
    const last = await store.entries.get(entryId(`e${done - 1}`))
    assert.equal(last !== undefined, ask === 'create')
  }
})

test('a batch of which nothing is stored is refused as a whole', async (t) => {
  const { call, audited } = await setUp(t, (parts) =>
    createEntryService({ ...parts, store: failingAt(parts.store, 1) }),
  )
  const away = { code: status.UNAVAILABLE, details: 'store_unavailable: the disk is full' }
  await assert.rejects(call(batchCreateEntry, { entries }), away)
  await assert.rejects(call(batchDeleteEntry, { ids }), away)
  assert.deepEqual(audited(), [])
})

test('a list without a page size is read with a turn for others after each page', async (t) => {
  let turn = 0
  let over = false
  const count = (): void => {
    turn++
    if (!over) setImmediate(count)
  }
  const pages: number[] = []
  const { call } = await setUp(t, (parts) => {
    const { list } = parts.store.entries
    const entries: Store['entries'] = {
      ...parts.store.entries,
      async list(...all) {
        const page = await list(...all)
        pages.push(turn)
        return page
      },
    }
    return createEntryService({ ...parts, store: { ...parts.store, entries } })
  })
  await call(batchCreateEntry, { entries })
  count()
  const answer = await call(listEntries, {})
  over = true
  assert.deepEqual(
    answer.entries.map(({ id }) => id),
    [...ids].sort(),
  )
  assert.equal(pages.length, 3)
  assert.equal(new Set(pages).size, 3)
})
