import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { create } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import { EntryMaskSchema, EntrySchema } from '#spire/api/types/entry_pb.js'
import type { Entry, EntryMask } from '#spire/api/types/entry_pb.js'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createEntryService } from '../../../../../src/server/serve/entry/service.ts'
import { bundle, entryId, td } from '../../../../fakes/store-values.ts'
import { setUp } from '../setting.ts'
import { AGENT, FULL, entry, id, selector } from './messages.ts'
import type { EntryInit } from './messages.ts'

const { batchCreateEntry, batchDeleteEntry, batchUpdateEntry, getEntry } = EntryService.method

type Field = Exclude<keyof EntryMask & keyof Entry, `$${string}`>

const NEXT = {
  id: 'full',
  spiffeId: id('/next'),
  parentId: id('/spire/agent/next'),
  selectors: [selector('unix:uid:9')],
  x509SvidTtl: 60,
  federatesWith: ['next.test'],
  admin: false,
  downstream: false,
  expiresAt: 2_100_000_000n,
  dnsNames: ['next.example.org'],
  storeSvid: false,
  jwtSvidTtl: 30,
  hint: 'next',
  additionalAttributes: { disableX509SvidPrefetch: false, jwtSvidIncludeJti: true },
} satisfies EntryInit
const SERVERS_OWN: readonly string[] = ['revisionNumber', 'createdAt']
const FIELDS = EntryMaskSchema.fields.map(({ localName }) => localName as Field)

async function setUpFull(t: Parameters<typeof setUp>[0]) {
  const setting = await setUp(t, createEntryService)
  for (const name of ['other.test', 'next.test'])
    await setting.store.bundles.change(td(name), () => bundle(name))
  const { results } = await setting.call(batchCreateEntry, { entries: [FULL] })
  setting.audited()
  return { ...setting, full: results[0]!.entry! }
}

for (const field of FIELDS.filter((one) => !SERVERS_OWN.includes(one)))
  test(`BatchUpdateEntry changes ${field} alone where its mask names that, and not twice`, async (t) => {
    const { call, full, store, audited } = await setUpFull(t)
    const request = { entries: [NEXT], inputMask: { [field]: true } }
    const { results } = await call(batchUpdateEntry, request)
    const next = create(EntrySchema, NEXT)
    const changed = create(EntrySchema, { ...full, [field]: next[field], revisionNumber: 1n })
    assert.deepEqual([results[0]?.status?.message, results[0]?.entry], ['OK', changed])
    assert.equal((await store.entries.get(entryId('full')))?.revision, 1)
    const { results: again } = await call(batchUpdateEntry, request)
    assert.deepEqual(again[0]?.entry, changed)
    assert.deepEqual(
      audited().map((line) => line.event === 'changed' && [line.action, line.key, line.revision]),
      [['update', 'full', 1]],
    )
  })

for (const field of ['spiffeId', 'parentId', 'selectors'] as const)
  test(`BatchUpdateEntry does not look at a broken ${field} that its mask does not name`, async (t) => {
    const { call } = await setUpFull(t)
    const given = { ...NEXT, [field]: field === 'selectors' ? [] : undefined }
    const inputMask = { ...allTrue(), [field]: false }
    const { results } = await call(batchUpdateEntry, { entries: [given], inputMask })
    assert.equal(results[0]?.status?.message, 'OK')
    const { results: refused } = await call(batchUpdateEntry, { entries: [given] })
    assert.equal(refused[0]?.status?.code, status.INVALID_ARGUMENT)
    assert.match(refused[0].status.message, /^failed to convert entry: /)
  })

test('BatchUpdateEntry by any mask changes what it names, and counts a revision where that is another', async (t) => {
  const { call, store } = await setUpFull(t)
  const values = { full: create(EntrySchema, FULL), next: create(EntrySchema, NEXT) }
  let expected = (await call(getEntry, { id: 'full' })) as Entry
  const one = fc.tuple(fc.subarray(FIELDS), fc.constantFrom('full', 'next'))
  const history = fc.sample(one, { numRuns: 60, seed: 7 })
  for (const [named, which] of history) {
    const given = values[which]
    const inputMask = Object.fromEntries(named.map((field) => [field, true]))
    const { results } = await call(batchUpdateEntry, { entries: [given], inputMask })
    const settable = named.filter((field) => !SERVERS_OWN.includes(field))
    const next = { ...expected, ...Object.fromEntries(settable.map((each) => [each, given[each]])) }
    const revisionNumber = expected.revisionNumber + BigInt(!isDeepStrictEqual(next, expected))
    expected = create(EntrySchema, { ...next, revisionNumber })
    assert.deepEqual(results[0]?.entry, expected)
  }
  assert.ok(expected.revisionNumber > 10n)
  assert.equal(
    (await store.entries.get(entryId('full')))?.revision,
    Number(expected.revisionNumber),
  )
})

test('BatchUpdateEntry without a mask makes the entry what is given, but for what is the server’s own', async (t) => {
  const { call, full } = await setUpFull(t)
  const given = { ...NEXT, revisionNumber: 99n, createdAt: 99n }
  const { results } = await call(batchUpdateEntry, { entries: [given] })
  assert.deepEqual(
    results[0]?.entry,
    create(EntrySchema, { ...NEXT, revisionNumber: 1n, createdAt: full.createdAt }),
  )
})

test('BatchUpdateEntry with a mask of what is the server’s own, or of nothing, changes nothing', async (t) => {
  const { call, full, audited } = await setUpFull(t)
  for (const inputMask of [{ revisionNumber: true, createdAt: true }, {}]) {
    const given = { ...NEXT, revisionNumber: 99n, createdAt: 99n }
    const { results } = await call(batchUpdateEntry, { entries: [given], inputMask })
    assert.deepEqual(results[0]?.entry, full)
  }
  assert.deepEqual(audited(), [])
})

test('BatchUpdateEntry sets back to the default what is named and empty', async (t) => {
  const { call, store } = await setUpFull(t)
  const bare = entry('/web', { id: 'full' })
  const { results } = await call(batchUpdateEntry, { entries: [bare] })
  assert.equal(results[0]?.entry?.additionalAttributes, undefined)
  assert.deepEqual(
    [results[0]?.entry?.x509SvidTtl, results[0]?.entry?.expiresAt, results[0]?.entry?.hint],
    [0, 0n, ''],
  )
  const stored = await store.entries.get(entryId('full'))
  assert.ok(stored !== undefined && !('expiresAt' in stored) && !('x509SvidTtlMs' in stored))
})

test('BatchUpdateEntry tells an outcome for each in their order', async (t) => {
  const { call } = await setUpFull(t)
  await call(batchCreateEntry, { entries: [entry('/a', { id: 'a' }), entry('/b', { id: 'b' })] })
  const { results } = await call(batchUpdateEntry, {
    entries: [
      entry('/a', { id: 'b' }),
      entry('/a', { id: 'nobody' }),
      entry('/a', { id: 'a/b' }),
      entry('/a', { id: '' }),
      entry('/a', { id: 'a', federatesWith: ['unknown.test'] }),
      entry('/a', { id: 'a', hint: 'one' }),
      entry('/a', { id: 'a', hint: 'two' }),
    ],
    outputMask: { hint: true, revisionNumber: true },
  })
  assert.deepEqual(
    results.map(({ status: said }) => [said?.code, said?.message]),
    [
      [status.ALREADY_EXISTS, 'failed to update entry: similar entry already exists'],
      [status.NOT_FOUND, 'failed to update entry: entry not found'],
      [status.NOT_FOUND, 'failed to update entry: entry not found'],
      [status.INVALID_ARGUMENT, 'failed to update entry: missing entry ID'],
      [
        status.FAILED_PRECONDITION,
        'failed to update entry: unable to find federated bundle "spiffe://unknown.test"',
      ],
      [status.OK, 'OK'],
      [status.OK, 'OK'],
    ],
  )
  const revised = (hint: string, revisionNumber: bigint) =>
    create(EntrySchema, { id: 'a', hint, revisionNumber })
  assert.deepEqual(
    results.map((one) => one.entry),
    [undefined, undefined, undefined, undefined, undefined, revised('one', 1n), revised('two', 2n)],
  )
})

test('BatchUpdateEntry keeps the selectors of an entry whose SVID is stored of one type, whichever of the two changes', async (t) => {
  const { call, store, audited } = await setUpFull(t)
  await call(batchCreateEntry, {
    entries: [
      entry('/a', { id: 'mixed', selectors: [selector('unix:uid:1'), selector('k8s:ns:a')] }),
      entry('/b', { id: 'stored', storeSvid: true }),
    ],
  })
  audited()
  const { results } = await call(batchUpdateEntry, {
    entries: [{ id: 'mixed', storeSvid: true }],
    inputMask: { storeSvid: true },
  })
  const { results: others } = await call(batchUpdateEntry, {
    entries: [{ id: 'stored', selectors: [selector('unix:uid:1'), selector('k8s:ns:a')] }],
    inputMask: { selectors: true },
  })
  for (const said of [results[0]?.status, others[0]?.status]) {
    assert.equal(said?.code, status.INVALID_ARGUMENT)
    assert.match(said.message, /^failed to update entry: selector types must be the same/)
  }
  assert.equal((await store.entries.get(entryId('mixed')))?.revision, 0)
  assert.equal((await store.entries.get(entryId('stored')))?.revision, 0)
  assert.deepEqual(audited(), [])
})

test('updates of different fields at once are all kept, and each is one revision', async (t) => {
  const { call, store } = await setUpFull(t)
  const masks = ['hint', 'x509SvidTtl', 'dnsNames', 'admin'] as const
  await Promise.all(
    masks.map((field) => call(batchUpdateEntry, { entries: [NEXT], inputMask: { [field]: true } })),
  )
  const kept = await store.entries.get(entryId('full'))
  assert.deepEqual(
    [kept?.hint, kept?.x509SvidTtlMs, kept?.dnsNames, kept?.admin, kept?.revision],
    ['next', 60_000, ['next.example.org'], false, 4],
  )
})

test('BatchDeleteEntry tells an outcome for each in their order, and the audit what went', async (t) => {
  const { call, store, registry, audited } = await setUpFull(t)
  await call(batchCreateEntry, { entries: [entry('/a', { id: 'a', parentId: AGENT })] })
  audited()
  const { results } = await call(batchDeleteEntry, { ids: ['a', '', 'nobody', 'a', 'a/b', 'full'] })
  assert.deepEqual(
    results.map(({ id: which, status: said }) => [which, said?.code, said?.message]),
    [
      ['a', status.OK, 'OK'],
      ['', status.INVALID_ARGUMENT, 'missing entry ID'],
      ['nobody', status.NOT_FOUND, 'entry not found'],
      ['a', status.NOT_FOUND, 'entry not found'],
      ['a/b', status.NOT_FOUND, 'entry not found'],
      ['full', status.OK, 'OK'],
    ],
  )
  assert.equal(await store.entries.count({}), 0)
  assert.equal(registry.entry(entryId('a')), undefined)
  assert.deepEqual(
    audited().map((line) => line.event === 'changed' && [line.object, line.action, line.key]),
    [
      ['entry', 'delete', 'a'],
      ['entry', 'delete', 'full'],
    ],
  )
})

function allTrue(): Record<string, boolean> {
  return Object.fromEntries(FIELDS.map((field) => [field, true]))
}
