import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import { createServer as createHttp2 } from 'node:http2'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createInbound } from '../../../src/wire/inbound.ts'
import type { InboundLimits } from '../../../src/wire/inbound.ts'
import type { RawHttp2 } from '../../e2e/rig/http2-frames.ts'
import {
  dataFrame,
  frame,
  FRAME,
  grpcHeaders,
  grpcMessage,
  openRawHttp2,
  reset,
} from '../../e2e/rig/http2-frames.ts'
import { createManualClock } from '../../fakes/clock.ts'
import type { ManualClock } from '../../fakes/clock.ts'
import { temporaryFolder } from '../../fakes/folder.ts'

const MOST_UNFINISHED = 100_000
const MOST_CONTROL = 10_000

/** Looks until `happened`, for 20 s of real time. */
async function until(happened: () => boolean): Promise<void> {
  for (let look = 0; look < 4_000 && !happened(); look++)
    await new Promise((resolve) => setTimeout(resolve, 5))
  assert(happened(), 'not within 20 s')
}

interface Setting {
  readonly clock: ManualClock
  /** The id of each connection that was found excessive, and why. */
  readonly excessive: readonly string[]
  /** A connection; its id is its number. */
  readonly connect: () => Promise<RawHttp2>
  /** Resolves once the server has read `bytes` of messages. */
  readonly read: (bytes: number) => Promise<void>
}

/** A server that reads all it is sent, or does `serve` with each stream, and answers nothing. */
async function setUp(
  t: TestContext,
  serve: (stream: ServerHttp2Stream) => void = () => undefined,
  limits?: InboundLimits,
): Promise<Setting> {
  const clock = createManualClock()
  const excessive: string[] = []
  const inbound = createInbound({
    clock,
    mostUnfinishedBytes: MOST_UNFINISHED,
    mostControlBytesPerSecond: MOST_CONTROL,
    excessive: (id, why) => void excessive.push(`${id}: ${why}`),
  })
  let bytes = 0
  const http2 = createHttp2()
  http2.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('error', () => undefined)
    serve(stream)
  })
  const path = join(temporaryFolder(t), 'socket')
  let count = 0
  const listener = createServer((socket: Socket) => {
    count += 1
    inbound.watch(socket, String(count), limits)
    http2.emit('connection', socket)
  }).listen(path)
  await once(listener, 'listening')
  t.after(() => {
    inbound.close()
    listener.close()
  })
  return {
    clock,
    excessive,
    async connect() {
      const raw = await openRawHttp2(path)
      t.after(() => raw.socket.destroy())
      return raw
    },
    read: (wanted) => until(() => bytes >= wanted),
  }
}

/** A message that says it is longer than what comes of it. */
function beginning(stream: number, bytes: number): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1_000_000, 1)
  return dataFrame(stream, Buffer.concat([head, Buffer.alloc(bytes)]))
}

test('Inbound finds the connection that holds most when unfinished messages are too many together', async (t) => {
  const { connect, excessive, read } = await setUp(t)
  const [little, much] = [await connect(), await connect()]
  little.send(grpcHeaders(1, '/'), beginning(1, 10_000))
  much.send(grpcHeaders(1, '/'), grpcHeaders(3, '/'))
  for (const id of [1, 3, 1, 3]) much.send(beginning(id, 15_000))
  await read(4 * 15_000 + 10_000)
  assert.deepEqual(excessive, [])
  for (const id of [1, 3]) much.send(dataFrame(id, Buffer.alloc(15_000)))
  await until(() => excessive.length > 0)
  assert.deepEqual(excessive, ['2: holds the most of too many unfinished messages'])
  // What it held is no longer counted.
  little.send(dataFrame(1, Buffer.alloc(15_000)))
  await read(6 * 15_000 + 25_000)
  assert.equal(excessive.length, 1)
})

test('Inbound counts what a part takes up, however small it is', async (t) => {
  const { connect, excessive } = await setUp(t)
  const raw = await connect()
  raw.send(grpcHeaders(1, '/'), beginning(1, 0))
  raw.send(...Array.from({ length: 1_000 }, () => dataFrame(1, Buffer.alloc(1))))
  await until(() => excessive.length > 0)
})

test('Inbound with limits of a connection: a message is too long, or compressed, by what its head says, and streams are too many', async (t) => {
  const limits = { messageBytes: 1_000, streams: 2 }
  const { connect, excessive, read } = await setUp(t, undefined, limits)
  const head = (flag: number, bytes: number): Buffer => {
    const bytesOfIt = Buffer.alloc(5)
    bytesOfIt.writeUInt8(flag)
    bytesOfIt.writeUInt32BE(bytes, 1)
    return bytesOfIt
  }
  const fits = await connect()
  const whole = Buffer.concat([head(0, 1_000), Buffer.alloc(1_000)])
  fits.send(grpcHeaders(1, '/'), grpcHeaders(3, '/'), dataFrame(1, whole), dataFrame(3, whole))
  await read(2 * whole.length)
  fits.send(reset(1))
  // What has ended leaves its place.
  fits.send(grpcHeaders(5, '/'), dataFrame(5, Buffer.concat([whole, whole])))
  await read(4 * whole.length)
  assert.deepEqual(excessive, [])
  const [long, packed, many] = [await connect(), await connect(), await connect()]
  // Cut in the middle of the head of its second message.
  long.send(
    grpcHeaders(1, '/'),
    dataFrame(1, Buffer.concat([whole, head(0, 1_001).subarray(0, 3)])),
  )
  await read(5 * whole.length + 3)
  assert.deepEqual(excessive, [])
  long.send(dataFrame(1, head(0, 1_001).subarray(3)))
  await until(() => excessive.length === 1)
  packed.send(grpcHeaders(1, '/'), dataFrame(1, head(1, 10)))
  await until(() => excessive.length === 2)
  many.send(grpcHeaders(1, '/'), grpcHeaders(3, '/'), grpcHeaders(5, '/'))
  await until(() => excessive.length === 3)
  assert.deepEqual(excessive, [
    '2: sends a message that is compressed, or of over 1000 bytes',
    '3: sends a message that is compressed, or of over 1000 bytes',
    '4: has more than 2 streams open',
  ])
})

test('Inbound has nothing against messages that are whole, given up, or cut anywhere', async (t) => {
  const { connect, excessive, read } = await setUp(t)
  const raw = await connect()
  raw.send(grpcHeaders(1, '/'))
  const message = grpcMessage(1, Buffer.alloc(1_000)).subarray(9)
  const bytes = Buffer.concat(Array.from({ length: 100 }, () => message))
  for (let cut = 0; cut < bytes.length; cut += 777)
    raw.send(dataFrame(1, bytes.subarray(cut, cut + 777)))
  await read(bytes.length)
  for (let id = 3; id < 43; id += 2) {
    raw.send(grpcHeaders(id, '/'), beginning(id, 10_000))
    await read(bytes.length + ((id - 1) / 2) * 10_000)
    raw.send(reset(id))
  }
  raw.send(grpcHeaders(43, '/'), grpcMessage(43))
  await read(bytes.length + 20 * 10_005 + 5)
  assert.deepEqual(excessive, [])
})

test('Inbound finds a connection that sends more frames without a message than any client would', async (t) => {
  const { clock, connect, excessive, read } = await setUp(t)
  const [busy, flooding] = [await connect(), await connect()]
  const settings = frame(FRAME.settings, 0, Buffer.from([0, 4, 0, 0, 0xff, 0xff]))
  let sent = 0
  const flood = async (frames: number): Promise<void> => {
    sent += frames
    flooding.send(...Array.from({ length: frames }, () => settings))
    // Each is answered, and one is the server's own.
    await until(() => flooding.frames.filter(({ type }) => type === FRAME.settings).length > sent)
    await clock.advance(1_000)
  }
  busy.send(grpcHeaders(1, '/'), ...Array.from({ length: 20 }, () => beginning(1, 1_000)))
  await read(20_000)
  for (let second = 0; second < 3; second++) await flood(600)
  assert.deepEqual(excessive, [])
  await flood(700)
  assert.match(excessive.join(), /^2: floods/)
})

test('Inbound lets a stream end that the client closes without an error while it is not read', async (t) => {
  let closed = 0
  const { connect } = await setUp(t, (stream) => stream.pause().once('close', () => (closed += 1)))
  const raw = await connect()
  const withoutError = frame(FRAME.reset, 1, Buffer.alloc(4))
  raw.send(grpcHeaders(1, '/'), grpcMessage(1, Buffer.alloc(1_000)), withoutError)
  await until(() => closed === 1)
})
