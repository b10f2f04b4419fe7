import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { create, fromBinary } from '@bufbuild/protobuf'
import { createSidecarWatch } from '../../../../../src/agent/serve/admin/watch-sidecars.ts'
import type { WatchCall } from '../../../../../src/agent/serve/admin/watch-sidecars.ts'
import type { Sidecar } from '../../../../../src/gen/spindle/admin/v1/admin_pb.js'
import {
  SidecarSchema,
  WatchSidecarsResponseSchema,
} from '../../../../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Encoded } from '../../../../../src/wire/service.ts'
import { createManualClock } from '../../../../fakes/clock.ts'

/** A call whose reader takes a message only when `take` is called. */
function createReader() {
  const emitter = new EventEmitter()
  const pids: number[] = []
  const waiting: (() => void)[] = []
  const errors: unknown[] = []
  emitter.on('error', (error: unknown) => errors.push(error))
  const call = Object.assign(emitter, {
    write(message: Encoded, done: () => void): boolean {
      const { sidecars } = fromBinary(WatchSidecarsResponseSchema, message.bytes)
      pids.push(sidecars[0]?.pid ?? 0)
      waiting.push(done)
      return true
    },
  }) as unknown as WatchCall
  const take = (): void => waiting.splice(0).forEach((done) => done())
  return { call, pids, errors, take, hangUp: () => emitter.emit('cancelled') }
}

function setUp() {
  const clock = createManualClock()
  const listeners = new Set<() => void>()
  let pid = 1
  let looks = 0
  const watch = createSidecarWatch({
    list(): Sidecar[] {
      looks += 1
      return [create(SidecarSchema, { pid })]
    },
    onProgress(listen) {
      listeners.add(listen)
      return () => void listeners.delete(listen)
    },
    clock,
  })
  const progress = (to = pid): void => {
    pid = to
    for (const listen of listeners) listen()
  }
  return { clock, watch, progress, looks: () => looks, listeners }
}

test('createSidecarWatch sends what there is at once, and a first change at once after a pause', async () => {
  const { clock, watch, progress } = setUp()
  const reader = createReader()
  watch.add(reader.call)
  assert.deepEqual(reader.pids, [1])
  reader.take()
  await clock.advance(250)
  progress(2)
  assert.deepEqual(reader.pids, [1, 2])
})

test('createSidecarWatch looks at most four times a second, for all who watch together, and misses no last change', async () => {
  const { clock, watch, progress, looks } = setUp()
  const readers = [createReader(), createReader(), createReader()]
  for (const { call } of readers) watch.add(call)
  for (let change = 2; change <= 100; change++) {
    progress(change)
    for (const reader of readers) reader.take()
    await clock.advance(10)
  }
  await clock.advance(250)
  assert(looks() >= 3 && looks() <= 6, `${looks()} looks in a second`)
  for (const reader of readers) {
    reader.take()
    assert.equal(reader.pids.at(-1), 100)
  }
})

test('createSidecarWatch sends nothing where nothing is another', async () => {
  const { clock, watch, progress } = setUp()
  const reader = createReader()
  watch.add(reader.call)
  reader.take()
  for (let turn = 0; turn < 5; turn++) {
    await clock.advance(300)
    progress()
  }
  assert.deepEqual(reader.pids, [1])
})

test('createSidecarWatch keeps one message on its way to a slow reader, and the newest after it', async () => {
  const { clock, watch, progress } = setUp()
  const slow = createReader()
  const fast = createReader()
  watch.add(slow.call)
  watch.add(fast.call)
  for (const pid of [2, 3, 4]) {
    await clock.advance(300)
    progress(pid)
    fast.take()
  }
  assert.deepEqual(slow.pids, [1])
  assert.deepEqual(fast.pids, [1, 2, 3, 4])
  slow.take()
  assert.deepEqual(slow.pids, [1, 4])
})

test('createSidecarWatch looks no more once nobody watches, and begins anew with who comes', async () => {
  const { clock, watch, progress, looks, listeners } = setUp()
  const reader = createReader()
  watch.add(reader.call)
  progress(2)
  reader.hangUp()
  assert.equal(listeners.size, 0)
  assert.equal(clock.pending, 0)
  const before = looks()
  await clock.advance(1_000)
  assert.equal(looks(), before)
  const next = createReader()
  watch.add(next.call)
  assert.deepEqual(next.pids, [2])
})

test('createSidecarWatch.close ends each call with not_ready', () => {
  const { watch, clock } = setUp()
  const readers = [createReader(), createReader()]
  for (const { call } of readers) watch.add(call)
  watch.close()
  for (const { errors } of readers) {
    assert.equal(errors.length, 1)
    assert.match((errors[0] as { details: string }).details, /^not_ready: /)
  }
  assert.equal(clock.pending, 0)
})
