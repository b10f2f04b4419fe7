/** What a client that means harm may do with HTTP/2, each until its connection is closed for it. */
import { create, toBinary } from '@bufbuild/protobuf'
import { DeltaDiscoveryRequestSchema } from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import {
  dataFrame,
  frame,
  FRAME,
  grpcHeaders,
  grpcMessage,
  reset,
} from '../e2e/rig/http2-frames.ts'
import { eventually } from '../e2e/rig/rig.ts'
import { atScale } from '../faults/scale.ts'
import type { Draw } from './draw.ts'
import { mutate } from './draw.ts'
import type { FloodSettings, Flood } from './flood.ts'
import { openFlood } from './flood.ts'

const SERVICE = '/envoy.service.secret.v3.SecretDiscoveryService'
export const DELTA = `${SERVICE}/DeltaSecrets`
export const SUBSCRIPTION = Buffer.from(
  toBinary(
    DeltaDiscoveryRequestSchema,
    create(DeltaDiscoveryRequestSchema, { resourceNamesSubscribe: ['default'] }),
  ),
)
const FLOOD = atScale(100_000, 1_000_000)
const CONTINUATION = 9
const PRIORITY = 2
const UNKNOWN = 0xbb
const MIB = 2 ** 20

export interface Attack {
  readonly name: string
  /** How it ends for whoever makes it: closed, or an error on its stream. */
  readonly ends: 'connection' | 'stream'
  readonly settings?: FloodSettings
  readonly run: (flood: Flood) => Promise<unknown>
}

/** The head of a message that says it has `bytes`. */
function head(bytes: number): Buffer {
  const buffer = Buffer.alloc(5)
  buffer.writeUInt32BE(bytes, 1)
  return buffer
}

const streamIds = (count: number): number[] =>
  Array.from({ length: count }, (_, index) => 2 * index + 1)

/** `part` without end: it must be the agent that ends it. */
const untilClosed =
  (part: Buffer, first: Buffer = Buffer.alloc(0)) =>
  async (flood: Flood): Promise<void> => {
    await flood.send(first)
    // A limit a second may be looked at a second later.
    const end = performance.now() + 10_000
    while (!flood.closed && performance.now() < end) await flood.repeat(part, FLOOD)
  }

const settings = (parameters: number): Buffer =>
  frame(
    FRAME.settings,
    0,
    Buffer.concat(Array.from({ length: parameters }, () => Buffer.from([0, 4, 0, 0, 0xff, 0xff]))),
  )

/** A literal field that is not indexed, of a name and a value of `bytes` (RFC 7541, 6.2.2). */
function field(bytes: number): Buffer {
  return Buffer.concat([Buffer.from([0, 1, 0x78, bytes]), Buffer.alloc(bytes, 0x79)])
}

const END_HEADERS = 0x4

/** A request's fields and `more`, as one block. */
function headers(stream: number, more: Buffer, flags: number): Buffer {
  return frame(
    FRAME.headers,
    stream,
    Buffer.concat([grpcHeaders(stream, DELTA).subarray(9), more]),
    flags,
  )
}

/** Of a call whose messages may be compressed. */
export function compressedHeaders(stream: number): Buffer {
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.of(value.length), Buffer.from(value)])
  const encoding = Buffer.concat([Buffer.of(0), text('grpc-encoding'), text('gzip')])
  return headers(stream, encoding, END_HEADERS)
}

const floods: readonly Attack[] = [
  { name: 'PING', run: untilClosed(frame(FRAME.ping, 0, Buffer.alloc(8))) },
  {
    name: 'PING, answers unread',
    settings: { reads: false },
    run: untilClosed(frame(FRAME.ping, 0, Buffer.alloc(8))),
  },
  { name: 'SETTINGS', run: untilClosed(settings(0)) },
  { name: 'SETTINGS of many parameters', run: untilClosed(settings(30)) },
  {
    name: 'SETTINGS, answers unread',
    settings: { reads: false },
    run: untilClosed(settings(1)),
  },
  {
    name: 'WINDOW_UPDATE',
    run: untilClosed(frame(FRAME.windowUpdate, 0, Buffer.from([0, 0, 0, 1]))),
  },
  { name: 'PRIORITY', run: untilClosed(frame(PRIORITY, 1, Buffer.from([0, 0, 0, 0, 1]))) },
  { name: 'GOAWAY', run: untilClosed(frame(FRAME.goAway, 0, Buffer.alloc(8))) },
  { name: 'frames of no known type', run: untilClosed(frame(UNKNOWN, 0, Buffer.alloc(8))) },
  {
    name: 'DATA without data',
    run: untilClosed(dataFrame(1, Buffer.alloc(0)), grpcHeaders(1, DELTA)),
  },
  { name: 'DATA on no stream', run: untilClosed(dataFrame(7, Buffer.alloc(4))) },
].map((attack) => ({ ...attack, ends: 'connection' }))

const headerAttacks: readonly Attack[] = [
  {
    name: 'a header of 10 MB',
    ends: 'connection',
    async run(flood) {
      // A value of 10,000,000 bytes (RFC 7541, 5.1), of which nothing ends the block.
      const begun = Buffer.from([0, 1, 0x78, 0x7f, 0x81, 0xac, 0xe2, 0x04])
      await flood.send(frame(FRAME.headers, 1, begun))
      const part = frame(CONTINUATION, 1, Buffer.alloc(16_384, 0x61))
      await flood.repeat(part, (10 * MIB) / 16_384)
    },
  },
  {
    name: 'CONTINUATION without end',
    ends: 'connection',
    run: untilClosed(frame(CONTINUATION, 1), frame(FRAME.headers, 1, field(1))),
  },
  {
    name: 'too many fields',
    ends: 'stream',
    run: (flood) =>
      flood.send(
        headers(1, Buffer.concat(Array.from({ length: 3_000 }, () => field(1))), END_HEADERS),
      ),
  },
  {
    name: 'too many fields, again and again',
    ends: 'connection',
    async run(flood) {
      const fields = Buffer.concat(Array.from({ length: 3_000 }, () => field(1)))
      for (const id of streamIds(5_000))
        if (!(await flood.send(headers(id, fields, END_HEADERS)))) return
    },
  },
]

const messageAttacks: readonly Attack[] = [
  {
    name: 'streams that are reset as soon as they are opened',
    ends: 'connection',
    async run(flood) {
      const ids = streamIds(20_000)
      for (let at = 0; at < ids.length; at += 100) {
        const some = ids.slice(at, at + 100)
        if (!(await flood.send(...some.flatMap((id) => [grpcHeaders(id, DELTA), reset(id)]))))
          return
      }
    },
  },
  {
    name: 'a message in frames of one byte',
    ends: 'connection',
    run: untilClosed(
      dataFrame(1, Buffer.alloc(1)),
      Buffer.concat([grpcHeaders(1, DELTA), dataFrame(1, head(4_000_000))]),
    ),
  },
  {
    name: 'messages that are never finished',
    ends: 'connection',
    async run(flood) {
      const part = Buffer.alloc(16_000)
      for (const id of streamIds(1_000)) {
        if (!(await flood.send(grpcHeaders(id, DELTA), dataFrame(id, head(4_000_000))))) return
        await flood.repeat(dataFrame(id, part), 240)
      }
    },
  },
]

const prefaces: readonly Attack[] = [
  ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['TLS', Buffer.from('16030100a5010000a10303', 'hex')],
  ['nothing known', Buffer.alloc(4_096, 0xfe)],
].map(([name, preface]) => ({
  name: `a connection that begins with ${String(name)}`,
  ends: 'connection',
  settings: { preface: preface as Buffer },
  run: () => Promise.resolve(),
}))

export const ATTACKS: readonly Attack[] = [
  ...floods,
  ...headerAttacks,
  ...messageAttacks,
  ...prefaces,
]

/** Makes the attack, and waits for its end. */
export async function attack(socket: string, { name, ends, settings, run }: Attack): Promise<void> {
  const flood = await openFlood(socket, settings)
  try {
    await run(flood)
    await eventually(`the end of: ${name}`, () =>
      ends === 'connection' ? flood.closed : flood.received(FRAME.reset) > 0,
    )
  } finally {
    flood.socket.destroy()
  }
}

/** Connections that say a few frames of a session, changed, and whatever else comes to mind. */
export async function randomFrames(
  socket: string,
  draw: Draw,
  connections: number,
): Promise<number> {
  let sent = 0
  for (let count = 0; count < connections; count++) {
    const flood = await openFlood(socket, {
      reads: draw.chance(0.8),
      window: draw.pick([0, 65_535]),
    })
    for (let frames = 1 + draw.int(30); frames > 0 && !flood.closed; frames--) {
      sent += 1
      await flood.send(drawFrame(draw))
      if (draw.chance(0.1)) await new Promise((resolve) => setImmediate(resolve))
    }
    flood.socket.destroy()
  }
  return sent
}

function drawFrame(draw: Draw): Buffer {
  const id = 1 + 2 * draw.int(4)
  const said = draw.pick([
    grpcHeaders(id, DELTA),
    grpcHeaders(id, `${SERVICE}/StreamSecrets`),
    grpcHeaders(id, `${SERVICE}/FetchSecrets`),
    grpcHeaders(id, '/SpiffeWorkloadAPI/FetchX509SVID', { 'workload.spiffe.io': 'true' }),
    grpcHeaders(id, '/SpiffeWorkloadAPI/FetchJWTSVID', { 'workload.spiffe.io': 'true' }),
    grpcHeaders(id, '/no/such'),
    grpcMessage(id, SUBSCRIPTION),
    reset(id),
    frame(FRAME.windowUpdate, id, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
    settings(2),
  ])
  switch (draw.int(4)) {
    case 0:
      return mutate(draw, said)
    case 1:
      return frame(
        draw.int(12),
        draw.pick([0, id, id + 1]),
        draw.bytes(draw.size(300)),
        draw.int(256),
      )
    default:
      return said
  }
}
