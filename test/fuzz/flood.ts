/** A connection that sends whatever it is told to, as fast as the agent takes it, and counts what comes back. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { frame, FRAME } from '../e2e/rig/http2-frames.ts'

export interface Flood {
  readonly socket: Socket
  readonly closed: boolean
  /** Frames received of a type. */
  received(type: number): number
  /** Resolves once there is room for more; false when the connection is closed. */
  send(...parts: readonly Buffer[]): Promise<boolean>
  /** Sends `part` over and over, at most `times`, until the connection is closed. Resolves to how often it was sent. */
  repeat(part: Buffer, times: number): Promise<number>
}

export interface FloodSettings {
  /** What the agent may send on a stream unasked. */
  readonly window?: number
  /** False: nothing is read of what the agent sends. */
  readonly reads?: boolean
  /** Sent first, instead of what HTTP/2 begins with. */
  readonly preface?: Buffer
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const INITIAL_WINDOW_SIZE = 4
const ACK = 0x1
const CHUNK_BYTES = 65_536

export async function openFlood(path: string, settings: FloodSettings = {}): Promise<Flood> {
  const { window = 65_535, reads = true } = settings
  const socket = connect(path)
  let closed = false
  const counts = new Map<number, number>()
  // One listener for all that wait: a flood waits thousands of times.
  let go: () => void = () => undefined
  socket.on('error', () => undefined)
  socket.on('close', () => {
    closed = true
    go()
  })
  socket.on('drain', () => go())
  await once(socket, 'connect')
  if (reads) socket.on('data', counting(counts))
  const setting = Buffer.alloc(6)
  setting.writeUInt16BE(INITIAL_WINDOW_SIZE, 0)
  setting.writeUInt32BE(window, 2)
  const begin = [
    PREFACE,
    frame(FRAME.settings, 0, setting),
    frame(FRAME.settings, 0, undefined, ACK),
  ]
  const flood: Flood = {
    socket,
    get closed() {
      return closed
    },
    received: (type) => counts.get(type) ?? 0,
    async send(...parts) {
      if (closed) return false
      if (!socket.write(Buffer.concat(parts)))
        await new Promise<void>((resolve) => {
          go = resolve
        })
      return !closed
    },
    async repeat(part, times) {
      const each = Math.max(1, Math.floor(CHUNK_BYTES / part.length))
      const chunk = Buffer.concat(Array.from({ length: each }, () => part))
      let sent = 0
      while (sent < times && (await flood.send(chunk))) sent += each
      return sent
    },
  }
  await flood.send(...(settings.preface === undefined ? begin : [settings.preface]))
  return flood
}

function counting(counts: Map<number, number>): (bytes: Buffer) => void {
  let left: Buffer = Buffer.alloc(0)
  return (bytes) => {
    left = Buffer.concat([left, bytes])
    let at = 0
    while (left.length - at >= 9 && left.length - at >= 9 + left.readUIntBE(at, 3)) {
      const type = left.readUInt8(at + 3)
      counts.set(type, (counts.get(type) ?? 0) + 1)
      at += 9 + left.readUIntBE(at, 3)
    }
    left = left.subarray(at)
  }
}
