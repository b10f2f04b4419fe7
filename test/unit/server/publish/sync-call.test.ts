import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import {
  AppliedSchema,
  OpenSchema,
  SyncRequestSchema,
  SyncResponseSchema,
} from '#spindle/sync/v1/sync_pb.js'
import type { SyncRequest } from '#spindle/sync/v1/sync_pb.js'
import { create, fromBinary } from '@bufbuild/protobuf'
import type { ServerEntry } from '../../../../src/registration/server-entry.ts'
import { status } from '../../../../src/runtime/grpc-status.ts'
import { createRoundEncoder } from '../../../../src/server/publish/encoder.ts'
import { tokenOf, writeToken } from '../../../../src/server/publish/resume.ts'
import { SyncCall } from '../../../../src/server/publish/sync-call.ts'
import type { SyncStream } from '../../../../src/server/publish/sync-call.ts'
import type { SyncContext } from '../../../../src/server/publish/sync-context.ts'
import type { Encoded } from '../../../../src/wire/service.ts'
import { createManualClock, settle } from '../../../fakes/clock.ts'
import { entry, entryId, id, td } from '../../../fakes/store-values.ts'

/** A client that reads when it is told to. */
class SlowStream extends EventEmitter {
  readonly written: Encoded[] = []
  #left: (() => void) | undefined
  status: number | undefined

  constructor() {
    super()
    this.on('error', ({ code }: { code: number }) => (this.status = code))
  }

  write(part: Encoded, left: () => void): boolean {
    assert.equal(this.#left, undefined, 'a part before the last one has left')
    this.written.push(part)
    this.#left = left
    return true
  }

  read(): void {
    const left = this.#left
    this.#left = undefined
    left?.()
  }

  end(): void {}

  say(step: SyncRequest['step']): void {
    this.emit('data', create(SyncRequestSchema, { step }))
  }
}

/** Of half a MiB: two of them are a part. */
const large = (name: string): ServerEntry => ({
  ...entry(`/${name}`, { dnsNames: Array.from({ length: 9_000 }, () => 'n'.repeat(50)) }),
  id: entryId(name),
  revision: 0,
  createdAt: 1,
})

function start(entries: readonly ServerEntry[], lifeMs = Infinity) {
  const clock = createManualClock()
  const encoder = createRoundEncoder(clock)
  const position = { lineage: 'l', revision: 1 }
  const state = { entries, position, refreshed: () => Promise.resolve() }
  const due = new Set<{ push(): void }>()
  const context: SyncContext = {
    clock,
    trustDomain: td('example.org'),
    registry: {
      get position() {
        return state.position
      },
      entriesOf: () => state.entries,
      bundle: () => undefined,
      refreshed: () => state.refreshed(),
    },
    encoder,
    pushes: {
      waiting: 0,
      add: (call) => void due.add(call),
      drop: (call) => void due.delete(call),
    },
    refusalOf: () => undefined,
    tokenOf: (holding) => tokenOf(holding, state.position, encoder.digestOf),
    changedSince: async () => undefined,
    runs: () => undefined,
    follow: () => undefined,
    progressed: () => undefined,
    failed: (_, thrown) => assert.fail(String(thrown)),
    closed: () => undefined,
  }
  const stream = new SlowStream()
  const svid = {
    spiffeId: id('/spire/agent/a'),
    serial: '1',
    notAfter: clock.now() + lifeMs,
    authorityId: '',
    chain: [],
  }
  const call = new SyncCall(
    stream as unknown as SyncStream,
    { kind: 'remote', address: '127.0.0.1', svid },
    context,
  )
  const pushDue = (): void => {
    for (const one of Array.from(due)) one.push()
    due.clear()
  }
  return { clock, stream, call, state, context, pushDue }
}

const open = { case: 'open', value: create(OpenSchema) } as const
const applied = (last: Encoded) => {
  const { resumeToken } = fromBinary(SyncResponseSchema, last.bytes)
  return { case: 'applied', value: create(AppliedSchema, { resumeToken }) } as const
}

test('SyncCall makes the next part when the last has left: a client that does not read costs one', async () => {
  const { clock, stream, call, state, pushDue } = start(['a', 'b', 'c', 'd', 'e'].map(large))
  stream.say(open)
  assert.equal(stream.written.length, 1)
  // Whatever happens meanwhile.
  state.entries = [...state.entries, large('f')]
  call.changed()
  pushDue()
  await clock.advance(29_000)
  stream.read()
  assert.equal(stream.written.length, 2)
  await clock.advance(29_000)
  stream.read()
  assert.equal(stream.written.length, 3)
  // The agent may have it before this side knows that it has left.
  stream.say(applied(stream.written[2]!))
  pushDue()
  assert.equal(stream.written.length, 3)
  stream.read()
  pushDue()
  assert.equal(stream.written.length, 4)
  const next = fromBinary(SyncResponseSchema, stream.written[3]!.bytes)
  assert.deepEqual(
    next.entries.map((one) => one.id),
    ['f'],
  )
  assert.equal(stream.status, undefined)
})

test('SyncCall gives a part 30 s to leave, and a round 30 s to be applied from its end on', async () => {
  const stuck = start(['a', 'b', 'c'].map(large))
  stuck.stream.say(open)
  await stuck.clock.advance(29_999)
  assert.equal(stuck.stream.status, undefined)
  await stuck.clock.advance(1)
  assert.equal(stuck.stream.status, status.ABORTED)
  stuck.stream.read()
  assert.equal(stuck.stream.written.length, 1)

  const silent = start([])
  silent.stream.say(open)
  await silent.clock.advance(20_000)
  silent.stream.read()
  await silent.clock.advance(29_999)
  assert.equal(silent.stream.status, undefined)
  await silent.clock.advance(1)
  assert.equal(silent.stream.status, status.ABORTED)
})

test('SyncCall leaves no timer behind when it ends, and nothing is said to it then', async () => {
  for (const end of ['cancelled', 'error', 'close', 'end']) {
    const { clock, stream, call, state, pushDue } = start([])
    stream.say(open)
    stream.emit(end, { code: 1 })
    state.entries = [large('a')]
    call.changed()
    pushDue()
    stream.read()
    assert.equal(stream.written.length, 1, end)
    assert.equal(clock.pending, 0, end)
  }
})

test('SyncCall does not answer a token of a later state from an earlier one: it asks the store first', async () => {
  const small = (name: string): ServerEntry => ({ ...large(name), dnsNames: [] })
  const [e1, e2] = [small('e1'), small('e2')]
  const { stream, state, context } = start([e1, e2])
  state.position = { lineage: 'l', revision: 7 }
  const later = context.tokenOf({ entries: [e1, e2], bundles: new Map() })
  // This server has not heard of e2.
  Object.assign(state, { entries: [e1], position: { lineage: 'l', revision: 6 } })
  state.refreshed = async () => {
    Object.assign(state, { entries: [e1, e2], position: { lineage: 'l', revision: 7 } })
  }
  stream.say({ case: 'open', value: create(OpenSchema, { resumeToken: writeToken(later) }) })
  await settle()
  const round = fromBinary(SyncResponseSchema, stream.written[0]!.bytes)
  assert.deepEqual([round.full, round.entries, round.entryCount], [false, [], 2])
})

test('SyncCall looks whether its SVID has expired at that instant, also where the clock was set back before', async () => {
  const { clock, stream, call, context } = start([], 60_000)
  stream.say(open)
  stream.read()
  stream.say(applied(stream.written[0]!))
  let looked = 0
  context.refusalOf = () => void looked++
  const due = async (ms: number): Promise<number> => {
    await clock.advance(ms)
    return looked
  }
  context.pushes.add = () => call.push()
  assert.equal(await due(60_000), 0)
  clock.jump(-3_600_000)
  assert.equal(await due(1), 0)
  assert.equal(await due(3_600_000 - 1), 0)
  assert.equal(await due(1), 1)
  assert.equal(clock.pending, 0)
})
