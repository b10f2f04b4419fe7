/** HTTP/2 frames as bytes (RFC 9113), for what no HTTP/2 library would send. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const
export const END_HEADERS = 0x4
const ACK = 0x1

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export function frame(
  type: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
  flags = 0,
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** RFC 7541, 6.2.2: literal fields that are not indexed, without Huffman coding. */
function fields(pairs: Readonly<Record<string, string>>): Buffer {
  const text = (value: string): Buffer =>
    Buffer.from(`${String.fromCharCode(value.length)}${value}`)
  return Buffer.concat(
    Object.entries(pairs).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]),
  )
}

/** @param more fields beside those of every gRPC call, or instead of them */
export function grpcHeaders(
  stream: number,
  path: string,
  more: Readonly<Record<string, string>> = {},
): Buffer {
  const block = fields({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  })
  return frame(FRAME.headers, stream, block, END_HEADERS)
}

export function reset(stream: number): Buffer {
  const CANCEL = Buffer.from([0, 0, 0, 8])
  return frame(FRAME.reset, stream, CANCEL)
}

/** A gRPC message as a DATA frame; none is an empty one. */
export function grpcMessage(stream: number, message: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return dataFrame(stream, Buffer.concat([head, message]))
}

export function dataFrame(stream: number, bytes: Buffer): Buffer {
  return frame(FRAME.data, stream, bytes)
}

export interface RawHttp2 {
  readonly socket: Socket
  /** Everything the server has sent. */
  readonly frames: readonly Frame[]
  readonly closed: boolean
  send(...parts: readonly Buffer[]): void
}

/** Lets the server send `bytes` more on a stream. */
export function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(bytes)
  return frame(FRAME.windowUpdate, stream, payload)
}

/** The gRPC messages that have come on a stream. */
export function messagesOf(frames: readonly Frame[], stream: number): Buffer[] {
  const data = frames.filter((each) => each.type === FRAME.data && each.stream === stream)
  const messages: Buffer[] = []
  let left = Buffer.concat(data.map(({ payload }) => payload))
  while (left.length >= 5 && left.length >= 5 + left.readUInt32BE(1)) {
    const end = 5 + left.readUInt32BE(1)
    messages.push(left.subarray(5, end))
    left = left.subarray(end)
  }
  return messages
}

const INITIAL_WINDOW_SIZE = 4

/** SETTINGS that let the server open no streams, as those of gRPC in Java. */
export const NO_STREAMS_OF_THE_SERVER = Buffer.from('000300000000', 'hex')

/**
 * Connects, says hello, and answers the server's settings. `window`: what the server may send on a stream unasked.
 * @param more settings after that one
 */
export async function openRawHttp2(
  path: string,
  window = 65_535,
  more: Buffer = Buffer.alloc(0),
): Promise<RawHttp2> {
  const settings = Buffer.concat([Buffer.alloc(6), more])
  settings.writeUInt16BE(INITIAL_WINDOW_SIZE, 0)
  settings.writeUInt32BE(window, 2)
  const socket = connect(path)
  const frames: Frame[] = []
  let left: Buffer = Buffer.alloc(0)
  let closed = false
  socket.on('error', () => undefined)
  socket.on('close', () => (closed = true))
  await once(socket, 'connect')
  socket.on('data', (bytes: Buffer) => {
    left = Buffer.concat([left, bytes])
    while (left.length >= 9) {
      const end = 9 + left.readUIntBE(0, 3)
      if (left.length < end) return
      const [type, flags] = [left.readUInt8(3), left.readUInt8(4)]
      frames.push({ type, flags, stream: left.readUInt32BE(5), payload: left.subarray(9, end) })
      if (type === FRAME.settings && (flags & ACK) === 0)
        socket.write(frame(FRAME.settings, 0, undefined, ACK))
      left = left.subarray(end)
    }
  })
  socket.write(
    Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      frame(FRAME.settings, 0, settings),
    ]),
  )
  return {
    socket,
    frames,
    get closed() {
      return closed
    },
    send: (...parts) => void socket.write(Buffer.concat(parts)),
  }
}
