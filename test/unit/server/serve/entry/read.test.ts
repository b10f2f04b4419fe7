import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { Message, MessageInitShape } from '@bufbuild/protobuf'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import type { ListEntriesRequest_FilterSchema } from '#spire/api/server/entry/v1/entry_pb.js'
import { EntryMaskSchema, EntrySchema } from '#spire/api/types/entry_pb.js'
import type { Entry, EntryMask } from '#spire/api/types/entry_pb.js'
import { FederatesWithMatch_MatchBehavior as Federates } from '#spire/api/types/federateswith_pb.js'
import { SelectorMatch_MatchBehavior as Selectors } from '#spire/api/types/selector_pb.js'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createEntryService } from '../../../../../src/server/serve/entry/service.ts'
import { bundle, td } from '../../../../fakes/store-values.ts'
import { setUp } from '../setting.ts'
import { AGENT, FULL, entry, id, selector } from './messages.ts'
import type { EntryInit } from './messages.ts'

const { batchCreateEntry, batchDeleteEntry, countEntries, getEntry, listEntries } =
  EntryService.method

const [A, B] = [selector('unix:uid:1'), selector('unix:gid:2')]

const ENTRIES: readonly EntryInit[] = [
  entry('/web', { id: 'a', selectors: [A] }),
  entry('/web', { id: 'b', selectors: [B], hint: 'h' }),
  entry('/web', { id: 'ab', selectors: [A, B], federatesWith: ['one.test'] }),
  entry('/db', { id: 'c', selectors: [selector('unix:uid:9')], downstream: true }),
  entry('/db', {
    id: 'd',
    parentId: id('/spire/server'),
    selectors: [A],
    federatesWith: ['one.test', 'two.test'],
  }),
]

async function setUpEntries(t: Parameters<typeof setUp>[0]) {
  const setting = await setUp(t, createEntryService)
  for (const name of ['one.test', 'two.test', 'other.test'])
    await setting.store.bundles.change(td(name), () => bundle(name))
  await setting.call(batchCreateEntry, { entries: [...ENTRIES] })
  return setting
}

const ids = (entries: readonly Entry[]): readonly string[] => entries.map((one) => one.id)

interface Filtered {
  readonly says: string
  readonly filter: Exclude<MessageInitShape<typeof ListEntriesRequest_FilterSchema>, Message>
  readonly finds: readonly string[]
}

const both = { selectors: [A, B] }
const FILTERS: readonly Filtered[] = [
  { says: 'nothing', filter: {}, finds: ['a', 'ab', 'b', 'c', 'd'] },
  { says: 'SPIFFE ID', filter: { bySpiffeId: id('/db') }, finds: ['c', 'd'] },
  { says: 'parent', filter: { byParentId: id('/spire/server') }, finds: ['d'] },
  {
    says: 'exactly these selectors',
    filter: { bySelectors: { ...both, match: Selectors.MATCH_EXACT } },
    finds: ['ab'],
  },
  {
    says: 'a subset of these selectors',
    filter: { bySelectors: { ...both, match: Selectors.MATCH_SUBSET } },
    finds: ['a', 'ab', 'b', 'd'],
  },
  {
    says: 'a superset of these selectors',
    filter: { bySelectors: { selectors: [A], match: Selectors.MATCH_SUPERSET } },
    finds: ['a', 'ab', 'd'],
  },
  {
    says: 'any of these selectors',
    filter: { bySelectors: { selectors: [B], match: Selectors.MATCH_ANY } },
    finds: ['ab', 'b'],
  },
  {
    says: 'exactly these trust domains',
    filter: {
      byFederatesWith: { trustDomains: ['spiffe://one.test'], match: Federates.MATCH_EXACT },
    },
    finds: ['ab'],
  },
  {
    says: 'a subset of these trust domains',
    filter: {
      byFederatesWith: { trustDomains: ['one.test', 'two.test'], match: Federates.MATCH_SUBSET },
    },
    finds: ['ab', 'd'],
  },
  {
    says: 'a superset of these trust domains',
    filter: {
      byFederatesWith: { trustDomains: ['two.test', 'one.test'], match: Federates.MATCH_SUPERSET },
    },
    finds: ['d'],
  },
  {
    says: 'any of these trust domains',
    filter: { byFederatesWith: { trustDomains: ['one.test'], match: Federates.MATCH_ANY } },
    finds: ['ab', 'd'],
  },
  { says: 'hint', filter: { byHint: 'h' }, finds: ['b'] },
  { says: 'a hint that is empty', filter: { byHint: '' }, finds: ['a', 'ab', 'b', 'c', 'd'] },
  { says: 'downstream', filter: { byDownstream: true }, finds: ['c'] },
  { says: 'not downstream', filter: { byDownstream: false }, finds: ['a', 'ab', 'b', 'd'] },
  {
    says: 'several at once',
    filter: {
      bySpiffeId: id('/web'),
      byParentId: AGENT,
      byDownstream: false,
      bySelectors: { selectors: [A], match: Selectors.MATCH_ANY },
      byHint: '',
      byFederatesWith: { trustDomains: ['one.test'], match: Federates.MATCH_ANY },
    },
    finds: ['ab'],
  },
]

test('ListEntries and CountEntries filter alike', async (t) => {
  const { call } = await setUpEntries(t)
  for (const { says, filter, finds } of FILTERS) {
    assert.deepEqual(ids((await call(listEntries, { filter })).entries), finds, says)
    assert.equal((await call(countEntries, { filter })).count, finds.length, says)
  }
  assert.equal((await call(countEntries, {})).count, ENTRIES.length)
})

const BROKEN: readonly (readonly [says: string, filter: Filtered['filter']])[] = [
  ['malformed parent ID filter: path must have a leading slash', { byParentId: id('a') }],
  [
    'malformed parent ID filter: "spiffe://a.test/b" is not a member of trust domain "example.org"',
    { byParentId: id('/b', 'a.test') },
  ],
  [
    'malformed SPIFFE ID filter: "spiffe://example.org/spire/agent/a" is not a workload in trust domain "example.org"; path is in the reserved namespace',
    { bySpiffeId: AGENT },
  ],
  ['malformed selectors filter: empty selector set', { bySelectors: {} }],
  [
    'malformed selectors filter: missing selector type',
    { bySelectors: { selectors: [{ type: '', value: 'a' }] } },
  ],
  [
    'malformed selectors filter: unknown match behavior',
    { bySelectors: { selectors: [A], match: 9 as Selectors } },
  ],
  ['malformed hint filter: hint has a control character', { byHint: '\0' }],
  ['malformed federates with filter: empty trust domain set', { byFederatesWith: {} }],
  [
    'malformed federates with filter: "A" has "A" at byte 0',
    { byFederatesWith: { trustDomains: ['A'] } },
  ],
]

test('ListEntries and CountEntries refuse a filter that is broken, and say which', async (t) => {
  const { call } = await setUpEntries(t)
  for (const [says, filter] of BROKEN)
    for (const refused of [call(listEntries, { filter }), call(countEntries, { filter })])
      await assert.rejects(refused, ({ code, details }: { code: number; details: string }) => {
        assert.equal(code, status.INVALID_ARGUMENT)
        assert.ok(details.startsWith(says), `${details} is not ${says}`)
        return true
      })
})

test('ListEntries in pages shows what is there throughout once, whatever comes and goes meanwhile', async (t) => {
  const { call } = await setUp(t, createEntryService)
  const made = (name: string) => entry(`/${name}`, { id: name })
  const create_ = (...names: readonly string[]) =>
    call(batchCreateEntry, { entries: names.map(made) })
  await create_(...Array.from({ length: 10 }, (_, at) => `e${at}`))
  const seen: string[] = []
  let pageToken = ''
  for (let turn = 0; turn < 20; turn++) {
    const page = await call(listEntries, { pageSize: 3, pageToken })
    assert.ok(page.entries.length <= 3)
    seen.push(...ids(page.entries))
    pageToken = page.nextPageToken
    if (pageToken === '') break
    // The last one that was shown goes, so does one to come, and one comes before and one after.
    await call(batchDeleteEntry, { ids: [seen.at(-1)!, 'e8'] })
    await create_(`a${turn}`, `f${turn}`)
  }
  assert.equal(pageToken, '')
  const throughout = ['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7', 'e9']
  assert.deepEqual(
    seen.filter((one) => one.startsWith('e')),
    throughout,
  )
  assert.ok(seen.includes('f0'))
})

test('ListEntries without a page size answers with all, though they are more than the store reads at once', async (t) => {
  const { call, store } = await setUp(t, createEntryService)
  const many = Array.from({ length: 1001 }, (_, at) => entry(`/${at}`))
  await call(batchCreateEntry, { entries: many })
  assert.equal(await store.entries.count({}), 1001)
  const all = await call(listEntries, { outputMask: {} })
  assert.deepEqual([all.entries.length, all.nextPageToken], [1001, ''])
  const most = await call(listEntries, { pageSize: 2_000_000_000 })
  assert.equal(most.entries.length, 1000)
  assert.notEqual(most.nextPageToken, '')
})

test('ListEntries refuses a size below 0 and a token that was not given out', async (t) => {
  const { call } = await setUp(t, createEntryService)
  for (const page of [{ pageSize: -1 }, { pageSize: 1, pageToken: '!' }])
    await assert.rejects(call(listEntries, page), { code: status.INVALID_ARGUMENT })
})

test('GetEntry and ListEntries answer with what a mask names', async (t) => {
  const { call } = await setUpEntries(t)
  await call(batchCreateEntry, { entries: [FULL] })
  const whole = await call(getEntry, { id: 'full' })
  assert.deepEqual(whole, create(EntrySchema, { ...FULL, createdAt: whole.createdAt }))
  for (const { localName } of EntryMaskSchema.fields) {
    const field = localName as Exclude<keyof EntryMask & keyof Entry, `$${string}`>
    const outputMask = create(EntryMaskSchema, { [field]: true })
    const only = create(EntrySchema, { id: 'full', [field]: whole[field] })
    assert.deepEqual(await call(getEntry, { id: 'full', outputMask }), only, field)
    const { entries } = await call(listEntries, { filter: { byHint: 'internal' }, outputMask })
    assert.deepEqual(entries, [only], field)
  }
})

test('GetEntry says what is missing in SPIRE’s words', async (t) => {
  const { call } = await setUp(t, createEntryService)
  await assert.rejects(call(getEntry, { id: '' }), {
    code: status.INVALID_ARGUMENT,
    details: 'missing ID',
  })
  for (const unknown of ['nobody', 'a/b', 'x'.repeat(300)])
    await assert.rejects(call(getEntry, { id: unknown }), {
      code: status.NOT_FOUND,
      details: 'entry not found',
    })
})

test('what is not a message is refused, and no fault of Spindle’s', async (t) => {
  const { callRaw, faults } = await setUp(t, createEntryService)
  await assert.rejects(callRaw(getEntry, Uint8Array.of(0x0a, 0x7f)))
  assert.deepEqual(faults, [])
})
