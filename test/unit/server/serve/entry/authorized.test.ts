import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { create } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type * as grpc from '@grpc/grpc-js'
import {
  EntryRevisionSchema,
  Entry as EntryService,
  SyncAuthorizedEntriesResponseSchema,
} from '#spire/api/server/entry/v1/entry_pb.js'
import type {
  SyncAuthorizedEntriesRequestSchema,
  SyncAuthorizedEntriesResponse,
} from '#spire/api/server/entry/v1/entry_pb.js'
import { EntrySchema } from '#spire/api/types/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createEntryService } from '../../../../../src/server/serve/entry/service.ts'
import { ENTRIES_A_MESSAGE } from '../../../../../src/server/serve/entry/sync.ts'
import { agent, id as spiffeId } from '../../../../fakes/store-values.ts'
import { bearer, setUp } from '../setting.ts'
import type { Setting } from '../setting.ts'
import { entry, id, selector } from './messages.ts'

const { batchCreateEntry, batchDeleteEntry, getAuthorizedEntries, syncAuthorizedEntries } =
  EntryService.method

const AGENT = bearer(spiffeId('/spire/agent/a'))
const ids = (entries: readonly Entry[]): readonly string[] =>
  entries.map((one) => one.id).toSorted()

test('GetAuthorizedEntries gives an agent what it may serve, by its ID, its aliases and entries below', async (t) => {
  const { call, become, store, registry } = await setUp(t, createEntryService)
  const node = [selector('join_token:t')]
  await store.agents.change(spiffeId('/spire/agent/a'), () =>
    agent('/spire/agent/a', { selectors: ['join_token:t' as never] }),
  )
  await registry.caughtUp()
  await call(batchCreateEntry, {
    entries: [
      entry('/own', { id: 'own' }),
      entry('/below', { id: 'below', parentId: id('/own') }),
      entry('/nodes', { id: 'alias', parentId: id('/spire/server'), selectors: node }),
      entry('/by-alias', { id: 'by-alias', parentId: id('/nodes') }),
      entry('/other', { id: 'other', parentId: id('/spire/agent/b') }),
    ],
  })
  become(AGENT)
  const { entries } = await call(getAuthorizedEntries, {})
  assert.deepEqual(ids(entries), ['below', 'by-alias', 'own'])
  const masked = await call(getAuthorizedEntries, { outputMask: { hint: true } })
  assert.deepEqual(
    masked.entries.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    ['below', 'by-alias', 'own'].map((one) => create(EntrySchema, { id: one })),
  )
})

test('GetAuthorizedEntries leaves out what has expired, though it is there until it is pruned', async (t) => {
  const { call, become, clock, store } = await setUp(t, createEntryService)
  const expiresAt = BigInt(clock.now() / 1000 + 10)
  await call(batchCreateEntry, { entries: [entry('/a', { id: 'a', expiresAt })] })
  become(AGENT)
  await clock.advance(9_999)
  assert.deepEqual(ids((await call(getAuthorizedEntries, {})).entries), ['a'])
  await clock.advance(1)
  assert.deepEqual((await call(getAuthorizedEntries, {})).entries, [])
  assert.equal(await store.entries.count({}), 1)
})

test('GetAuthorizedEntries is nothing for who has no SVID', async (t) => {
  const { call } = await setUp(t, createEntryService)
  await assert.rejects(call(getAuthorizedEntries, {}), { code: status.PERMISSION_DENIED })
})

type Sync = grpc.ClientDuplexStream<
  MessageInitShape<typeof SyncAuthorizedEntriesRequestSchema>,
  SyncAuthorizedEntriesResponse
>

/** The next messages until one that is the last of its answer; undefined: the stream ended. */
async function answerOf(messages: AsyncIterator<SyncAuthorizedEntriesResponse>) {
  const answer: SyncAuthorizedEntriesResponse[] = []
  for (;;) {
    const { done, value } = await messages.next()
    if (done === true) return answer.length === 0 ? undefined : answer
    answer.push(value)
    if (!value.more) return answer
  }
}

const messagesOf = (stream: Sync): AsyncIterator<SyncAuthorizedEntriesResponse> =>
  stream[Symbol.asyncIterator]()

async function setUpMany(t: Parameters<typeof setUp>[0], count: number): Promise<Setting> {
  const setting = await setUp(t, createEntryService)
  const many = Array.from({ length: count }, (_, at) => entry(`/${at}`, { id: `e${at}` }))
  await setting.call(batchCreateEntry, { entries: many })
  setting.become(AGENT)
  return setting
}

test('SyncAuthorizedEntries sends all where they fit a message, and ends', async (t) => {
  const { open } = await setUpMany(t, ENTRIES_A_MESSAGE)
  const stream = open(syncAuthorizedEntries)
  const messages = messagesOf(stream)
  stream.write({ outputMask: { revisionNumber: true } })
  const answer = await answerOf(messages)
  assert.equal(answer?.length, 1)
  assert.equal(answer[0]?.entries.length, ENTRIES_A_MESSAGE)
  assert.equal(answer[0].entryRevisions.length, 0)
  assert.equal(answer[0].entries[0]?.spiffeId, undefined)
  assert.equal(await answerOf(messages), undefined)
})

test('SyncAuthorizedEntries with nothing to send says so', async (t) => {
  const { open } = await setUpMany(t, 0)
  const stream = open(syncAuthorizedEntries)
  stream.write({})
  assert.deepEqual(await answerOf(messagesOf(stream)), [
    create(SyncAuthorizedEntriesResponseSchema),
  ])
})

test('SyncAuthorizedEntries tells of many their revisions, then those that are asked for, in pages and of one state', async (t) => {
  const { open, call, clock } = await setUpMany(t, ENTRIES_A_MESSAGE * 2 + 1)
  const stream = open(syncAuthorizedEntries)
  const messages = messagesOf(stream)
  stream.write({ outputMask: { spiffeId: true, revisionNumber: true } })
  const told = await answerOf(messages)
  assert.deepEqual(
    told?.map(({ entries, entryRevisions, more }) => [entries.length, entryRevisions.length, more]),
    [
      [0, 500, true],
      [0, 500, true],
      [0, 1, false],
    ],
  )
  const revisions = told?.flatMap(({ entryRevisions }) => entryRevisions)
  const createdAt = BigInt(clock.now() / 1000)
  const revision = create(EntryRevisionSchema, { id: 'e7', revisionNumber: 0n, createdAt })
  assert.deepEqual(
    revisions?.find((one) => one.id === 'e7'),
    revision,
  )
  assert.equal(new Set(revisions?.map((one) => one.id)).size, 1001)

  // It was told of: the client may have it until it asks again.
  await call(batchDeleteEntry, { ids: ['e3'] })
  stream.write({ ids: ['e9', 'e3', 'nobody', 'e3'], outputMask: {} })
  const some = await answerOf(messages)
  assert.deepEqual([some?.length, some?.[0]?.more], [1, false])
  assert.deepEqual(
    some?.[0]?.entries,
    ['3', '9'].map((one) => create(EntrySchema, { id: `e${one}`, spiffeId: id(`/${one}`) })),
  )

  stream.write({ ids: ['nobody'] })
  assert.deepEqual(await answerOf(messages), [create(SyncAuthorizedEntriesResponseSchema)])

  stream.write({ ids: revisions?.map((one) => one.id) ?? [] })
  stream.write({ ids: ['e1'] })
  const all = await answerOf(messages)
  assert.deepEqual(
    all?.map(({ entries, more }) => [entries.length, more]),
    [
      [500, true],
      [500, true],
      [1, false],
    ],
  )
  assert.deepEqual(ids((await answerOf(messages))?.[0]?.entries ?? []), ['e1'])
  stream.end()
  assert.equal(await answerOf(messages), undefined)
})

test('SyncAuthorizedEntries refuses IDs at first, and a mask without the revision, in SPIRE’s words', async (t) => {
  const { open } = await setUpMany(t, 1)
  for (const [request, details] of [
    [{ ids: ['e0'] }, 'specifying IDs on initial request is not supported'],
    [{ outputMask: { spiffeId: true } }, 'revision number cannot be masked'],
  ] as const) {
    const stream = open(syncAuthorizedEntries)
    stream.write(request as MessageInitShape<typeof SyncAuthorizedEntriesRequestSchema>)
    await assert.rejects(answerOf(messagesOf(stream)), { code: status.INVALID_ARGUMENT, details })
  }
})

test('SyncAuthorizedEntries is nothing for who has no SVID, and no fault of Spindle’s', async (t) => {
  const { open, faults } = await setUp(t, createEntryService)
  const stream = open(syncAuthorizedEntries)
  stream.write({})
  await assert.rejects(answerOf(messagesOf(stream)), { code: status.PERMISSION_DENIED })
  assert.deepEqual(faults, [])
})

test('SyncAuthorizedEntries gives up a client that asks no more, and one that asks nothing', async (t) => {
  const { open, clock } = await setUpMany(t, ENTRIES_A_MESSAGE + 1)
  const idle = open(syncAuthorizedEntries)
  const asked = open(syncAuthorizedEntries)
  const messages = messagesOf(asked)
  asked.write({})
  await answerOf(messages)
  await sleepUntil(() => clock.pending === 2)
  const refused = [answerOf(messagesOf(idle)), answerOf(messages)].map((answer) =>
    assert.rejects(answer, { code: status.DEADLINE_EXCEEDED }),
  )
  await clock.advance(60_000)
  await Promise.all(refused)
  assert.equal(clock.pending, 0)
})

test('SyncAuthorizedEntries ends with the server, and leaves nothing behind when the client goes', async (t) => {
  const { open, clock, service } = await setUpMany(t, ENTRIES_A_MESSAGE + 1)
  const gone = open(syncAuthorizedEntries)
  gone.on('error', () => undefined)
  const messages = messagesOf(gone)
  gone.write({})
  await answerOf(messages)
  gone.cancel()
  await sleepUntil(() => clock.pending === 0)
  const stream = open(syncAuthorizedEntries)
  const answers = messagesOf(stream)
  stream.write({})
  await answerOf(answers)
  service.endStreams('the server stops')
  await assert.rejects(answerOf(answers), { code: status.UNAVAILABLE })
  await sleepUntil(() => clock.pending === 0)
})

async function sleepUntil(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !holds(); turn++) await sleep(5)
  assert.ok(holds())
}
