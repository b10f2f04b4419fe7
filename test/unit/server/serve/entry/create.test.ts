import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import { EntryMaskSchema, EntrySchema } from '#spire/api/types/entry_pb.js'
import type { Entry, EntryMask } from '#spire/api/types/entry_pb.js'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createEntryService } from '../../../../../src/server/serve/entry/service.ts'
import { bundle, entryId, td } from '../../../../fakes/store-values.ts'
import { setUp } from '../setting.ts'
import { AGENT, FULL, entry, id, selector } from './messages.ts'
import type { EntryInit } from './messages.ts'

const { batchCreateEntry } = EntryService.method

test('BatchCreateEntry answers with the entry as it is stored, in every field', async (t) => {
  const { call, store, registry, clock } = await setUp(t, createEntryService)
  await store.bundles.change(td('other.test'), () => bundle('other.test'))
  const { results } = await call(batchCreateEntry, { entries: [FULL] })
  const createdAt = BigInt(clock.now() / 1000)
  assert.deepEqual(results[0]?.entry, create(EntrySchema, { ...FULL, createdAt }))
  assert.deepEqual([results[0].status?.code, results[0].status?.message], [status.OK, 'OK'])
  const stored = await store.entries.get(entryId('full'))
  assert.equal(stored?.expiresAt, 2_000_000_000_000)
  assert.deepEqual(registry.entry(entryId('full')), stored)
})

test('BatchCreateEntry leaves to the server what clients cannot set', async (t) => {
  const { call, clock } = await setUp(t, createEntryService)
  const { results } = await call(batchCreateEntry, {
    entries: [entry('/web', { revisionNumber: 7n, createdAt: 8n })],
  })
  const made = results[0]?.entry
  assert.equal(made?.revisionNumber, 0n)
  assert.equal(made.createdAt, BigInt(clock.now() / 1000))
  assert.match(made.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

test('BatchCreateEntry takes trust domains by name and by ID, and repeated members once', async (t) => {
  const { call, store } = await setUp(t, createEntryService)
  for (const name of ['a.test', 'b.test']) await store.bundles.change(td(name), () => bundle(name))
  const { results } = await call(batchCreateEntry, {
    entries: [
      entry('/web', {
        spiffeId: id('/web', 'spiffe://example.org'),
        federatesWith: ['spiffe://b.test', 'a.test', 'b.test'],
        selectors: [selector('unix:uid:2'), selector('unix:uid:1'), selector('unix:uid:2')],
      }),
    ],
  })
  assert.equal(results[0]?.status?.message, 'OK')
  assert.deepEqual(results[0].entry?.spiffeId?.trustDomain, 'example.org')
  assert.deepEqual(results[0].entry?.federatesWith, ['a.test', 'b.test'])
  const values = results[0].entry?.selectors.map(({ value }) => value)
  assert.deepEqual(values, ['uid:1', 'uid:2'])
})

test('BatchCreateEntry tells an outcome for each in their order, and what is wrong with one harms no other', async (t) => {
  const { call, store, audited } = await setUp(t, createEntryService)
  const { results } = await call(batchCreateEntry, {
    entries: [
      entry('/a', { id: 'a' }),
      entry('/b', { selectors: [] }),
      entry('/a', { hint: 'again' }),
      entry('/c', { id: 'a' }),
      entry('/d', { id: 'd' }),
    ],
    outputMask: { hint: true },
  })
  assert.deepEqual(
    results.map(({ status: said, entry: made }) => [said?.code, said?.message, made?.id]),
    [
      [status.OK, 'OK', 'a'],
      [status.INVALID_ARGUMENT, 'failed to convert entry: selector list is empty', undefined],
      [status.ALREADY_EXISTS, 'similar entry already exists', 'a'],
      [status.ALREADY_EXISTS, 'failed to create entry: its ID is that of another entry', undefined],
      [status.OK, 'OK', 'd'],
    ],
  )
  // The entry that is there, not the one that was asked for.
  assert.equal(results[2]?.entry?.hint, '')
  assert.equal(await store.entries.count({}), 2)
  assert.deepEqual(
    audited().map((line) => line.event === 'changed' && [line.object, line.action, line.key]),
    [
      ['entry', 'create', 'a'],
      ['entry', 'create', 'd'],
    ],
  )
})

test('an entry is similar with the same SPIFFE ID, parent and selectors in any order', async (t) => {
  const { call } = await setUp(t, createEntryService)
  const two = [selector('unix:uid:1'), selector('unix:gid:1')]
  const first = entry('/a', { id: 'a', selectors: two })
  const { results } = await call(batchCreateEntry, {
    entries: [
      first,
      { ...first, id: 'b', selectors: two.toReversed(), x509SvidTtl: 9, dnsNames: ['b'] },
      { ...first, id: 'c', selectors: two.slice(1) },
      { ...first, id: 'd', parentId: id('/spire/agent/d') },
      { ...first, id: 'e', spiffeId: id('/e') },
    ],
  })
  assert.deepEqual(
    results.map(({ status: said, entry: made }) => [said?.code, made?.id]),
    [
      [status.OK, 'a'],
      [status.ALREADY_EXISTS, 'a'],
      [status.OK, 'c'],
      [status.OK, 'd'],
      [status.OK, 'e'],
    ],
  )
})

const CONVERT = 'failed to convert entry: '
const BROKEN: readonly (readonly [says: string, entry: EntryInit])[] = [
  ['invalid parent ID: request must specify SPIFFE ID', { parentId: undefined }],
  [
    'invalid parent ID: "spiffe://other.test/a" is not a member of trust domain "example.org"',
    { parentId: id('/a', 'other.test') },
  ],
  [
    'invalid parent ID: "spiffe://example.org" is not a member of trust domain "example.org"; path is empty',
    { parentId: id('') },
  ],
  ['invalid spiffe ID: request must specify SPIFFE ID', { spiffeId: undefined }],
  [
    'invalid spiffe ID: "spiffe://other.test/a" is not a member of trust domain "example.org"',
    { spiffeId: id('/a', 'other.test') },
  ],
  [
    'invalid spiffe ID: "spiffe://example.org" is not a member of trust domain "example.org"; path is empty',
    { spiffeId: id('') },
  ],
  ['invalid spiffe ID: path must have a leading slash', { spiffeId: id('.evil/a') }],
  ['invalid spiffe ID: "spiffe://example.org/a/" ends with /', { spiffeId: id('/a/') }],
  ['invalid spiffe ID: "" has no trust domain name', { spiffeId: id('/a', '') }],
  [
    'invalid spiffe ID: "spiffe://example.org/spire" is not a workload in trust domain "example.org"; path is in the reserved namespace',
    { spiffeId: id('/spire') },
  ],
  [
    'invalid spiffe ID: "spiffe://example.org/spire/server" is not a workload',
    { spiffeId: id('/spire/server') },
  ],
  ['invalid spiffe ID: "spiffe://example.org/spire/agent/x"', { spiffeId: id('/spire/agent/x') }],
  ['selector list is empty', { selectors: [] }],
  ['missing selector type', { selectors: [{ type: '', value: 'uid:1' }] }],
  ["selector type contains ':'", { selectors: [{ type: 'unix:uid', value: '1' }] }],
  ['missing selector value', { selectors: [{ type: 'unix', value: '' }] }],
  ['"unix:a\\u0000" has a control character', { selectors: [{ type: 'unix', value: 'a\0' }] }],
  ['"un ix:a" has a space in its type', { selectors: [{ type: 'un ix', value: 'a' }] }],
  ['invalid DNS name: "" is empty', { dnsNames: ['a.test', ''] }],
  ['invalid DNS name: "a b" has a label with a character', { dnsNames: ['a b'] }],
  ['invalid DNS name: "-a" has a label that begins or ends with -', { dnsNames: ['-a'] }],
  ['x509_svid_ttl is below 0', { x509SvidTtl: -1 }],
  ['jwt_svid_ttl is below 0', { jwtSvidTtl: -1 }],
  ['expires_at is below 0', { expiresAt: -1n }],
  ['expires_at is after the last instant there is', { expiresAt: 8_640_000_000_001n }],
  ['invalid federated trust domain: "A.test"', { federatesWith: ['A.test'] }],
  ['invalid federated trust domain: "" has no trust domain name', { federatesWith: [''] }],
  ['invalid federated trust domain: "example.org" is this', { federatesWith: ['example.org'] }],
  ['hint has a control character', { hint: 'a\0' }],
  ['hint has a control character', { hint: '\x1b[2J' }],
  ['hint is too long, max length is 1024 characters', { hint: 'é'.repeat(513) }],
  [
    'selectors are more than 1000',
    { selectors: Array.from({ length: 1001 }, (_, at) => selector(`unix:uid:${at}`)) },
  ],
  ['dns_names are more than 1000', { dnsNames: Array.from({ length: 1001 }, () => 'a') }],
  ['federates_with are more than', { federatesWith: Array.from({ length: 1001 }, () => 'a') }],
  [
    'selector types must be the same when store SVID is enabled',
    { storeSvid: true, selectors: [selector('unix:uid:1'), selector('docker:env:a')] },
  ],
]

test('BatchCreateEntry refuses each of what is broken, and says which field', async (t) => {
  const { call, store, audited } = await setUp(t, createEntryService)
  const entries = BROKEN.map(([, broken]) => entry('/web', broken))
  const { results } = await call(batchCreateEntry, { entries })
  BROKEN.forEach(([says], at) => {
    const { status: said, entry: made } = results[at]!
    assert.equal(said?.code, status.INVALID_ARGUMENT, says)
    assert.ok(said.message.startsWith(CONVERT + says), `${said.message} is not ${says}`)
    assert.equal(made, undefined)
  })
  assert.equal(await store.entries.count({}), 0)
  assert.deepEqual(audited(), [])
})

test('BatchCreateEntry refuses an ID with characters that none has, and one that is too long', async (t) => {
  const { call } = await setUp(t, createEntryService)
  const { results } = await call(batchCreateEntry, {
    entries: [entry('/a', { id: 'a/b' }), entry('/b', { id: 'b'.repeat(256) })],
  })
  for (const { status: said } of results) {
    assert.equal(said?.code, status.INVALID_ARGUMENT)
    assert.match(said.message, /^failed to create entry: the id of an entry is 1 to 255 characters/)
  }
})

test('BatchCreateEntry refuses to federate with a trust domain whose bundle is not there', async (t) => {
  const { call, store } = await setUp(t, createEntryService)
  const federated = entry('/web', { federatesWith: ['a.test', 'b.test'] })
  await store.bundles.change(td('a.test'), () => bundle('a.test'))
  const before = await call(batchCreateEntry, { entries: [federated] })
  assert.deepEqual(
    [before.results[0]?.status?.code, before.results[0]?.status?.message],
    [
      status.FAILED_PRECONDITION,
      'failed to create entry: unable to find federated bundle "spiffe://b.test"',
    ],
  )
  await store.bundles.change(td('b.test'), () => bundle('b.test'))
  const after = await call(batchCreateEntry, { entries: [federated] })
  assert.equal(after.results[0]?.status?.code, status.OK)
})

test('what is at the edge of what is allowed is allowed', async (t) => {
  const { call } = await setUp(t, createEntryService)
  const { results } = await call(batchCreateEntry, {
    entries: [
      entry('/spirea/b', { id: 'b'.repeat(255), hint: 'h'.repeat(1024) }),
      entry('/a', { parentId: id('/spire/server'), dnsNames: ['*.a.test', 'my_db'] }),
      entry('/a', { parentId: id('/other/workload'), expiresAt: 8_640_000_000_000n }),
      // SPIRE takes what has expired; it goes at the next pruning.
      entry('/b', { parentId: id('/b'), expiresAt: 1n, x509SvidTtl: 2 ** 31 - 1 }),
      entry('/c', { selectors: [{ type: 'unix', value: ':a:' }] }),
    ],
  })
  assert.deepEqual(
    results.map(({ status: said }) => said?.message),
    Array.from(results, () => 'OK'),
  )
})

test('each field of an output mask is answered, and no other', async (t) => {
  const { call, store } = await setUp(t, createEntryService)
  await store.bundles.change(td('other.test'), () => bundle('other.test'))
  await call(batchCreateEntry, { entries: [FULL] })
  const { results } = await call(batchCreateEntry, { entries: [FULL] })
  const whole = results[0]!.entry!
  for (const { localName } of EntryMaskSchema.fields) {
    const field = localName as Exclude<keyof EntryMask & keyof Entry, `$${string}`>
    const outputMask = create(EntryMaskSchema, { [field]: true })
    const { results: masked } = await call(batchCreateEntry, { entries: [FULL], outputMask })
    const only = create(EntrySchema, { id: 'full', [field]: whole[field] })
    assert.deepEqual(masked[0]?.entry, only, field)
  }
})

test('a batch of nothing is answered with nothing', async (t) => {
  const { call } = await setUp(t, createEntryService)
  assert.deepEqual((await call(batchCreateEntry, {})).results, [])
})

test('what a newer client says beyond what is known is passed over, in an entry and in a mask', async (t) => {
  const { call } = await setUp(t, createEntryService)
  const unknown = { no: 99, wireType: 0, data: Uint8Array.of(1) } as const
  const given = create(EntrySchema, { ...entry('/web'), parentId: AGENT })
  given.$unknown = [unknown]
  const outputMask = create(EntryMaskSchema, { hint: true })
  outputMask.$unknown = [unknown]
  const { results } = await call(batchCreateEntry, { entries: [given], outputMask })
  assert.equal(results[0]?.status?.message, 'OK')
  assert.deepEqual(results[0].entry, create(EntrySchema, { id: results[0].entry?.id ?? '' }))
})
