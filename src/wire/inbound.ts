/**
 * What connections bring that no call sees. gRPC keeps the parts of a message until it is whole, and HTTP/2 answers frames
 * that carry none by itself; neither has a limit for all calls of a connection, so that one client could fill the memory.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../runtime/clock.ts'

export interface InboundOptions {
  readonly clock: Clock
  /** Of unfinished messages, of all connections together. Beyond it the connection that holds most is `excessive`. */
  readonly mostUnfinishedBytes: number
  /** Of frames that carry no message, of one connection. */
  readonly mostControlBytesPerSecond: number
  /** Called once for a connection; it is to be closed. */
  readonly excessive: (id: string, why: string) => void
}

/** Of one connection; beyond them it is `excessive`. */
export interface InboundLimits {
  /** Of a message: told by its head, so that nothing of a longer one is kept. One that is compressed may become any length. */
  readonly messageBytes: number
  /** Open at once, those that were refused but not closed included. */
  readonly streams: number
}

export interface Inbound {
  /** Watches a socket from before its first byte is read until it closes. `limits`: none but those of all. */
  watch(socket: Socket, id: string, limits?: InboundLimits): void
  close(): void
}

/** About what an array entry and a Buffer that shares its memory take up beside their bytes. */
const PART_BYTES = 128
const SWEEP_MS = 1_000

/** The only public way to the streams of an HTTP/2 server that grpc-js makes (Node: diagnostics_channel, HTTP/2). */
const STREAM_CREATED = 'http2.server.stream.created'
const STREAM_CLOSED = 'http2.server.stream.close'

export function createInbound(options: InboundOptions): Inbound {
  const { clock, excessive } = options
  const tag = Symbol('connection')
  const connections = new Set<Arriving>()
  let unfinished = 0
  let timer: Timer | undefined

  const forget = (arriving: Arriving): void => {
    if (connections.delete(arriving)) unfinished -= arriving.unfinished
  }
  const end = (arriving: Arriving, why: string): void => {
    forget(arriving)
    excessive(arriving.id, why)
  }
  const settle = (arriving: Arriving, change: () => void): void => {
    // One that was ended may still have something to say.
    if (!connections.has(arriving)) return
    unfinished -= arriving.unfinished
    change()
    unfinished += arriving.unfinished
    if (arriving.excess !== undefined) return end(arriving, arriving.excess)
    if (unfinished <= options.mostUnfinishedBytes) return
    const [most] = Array.from(connections).sort((a, b) => b.unfinished - a.unfinished)
    if (most !== undefined) end(most, 'holds the most of too many unfinished messages')
  }
  const sweep = (): void => {
    for (const arriving of connections)
      if (arriving.controlBytes() > options.mostControlBytesPerSecond)
        end(arriving, 'floods the connection with frames that carry no message')
    timer = connections.size === 0 ? undefined : clock.after(SWEEP_MS, sweep)
  }
  const own = new WeakSet<ServerHttp2Stream>()
  const onStream = (message: unknown): void => {
    const { stream } = message as { stream: ServerHttp2Stream }
    const socket = stream.session?.destroyed === false ? stream.session.socket : undefined
    const arriving = (socket as { [tag]?: Arriving } | undefined)?.[tag]
    if (arriving === undefined) return
    own.add(stream)
    // The stream begins to flow when it is listened to: by then gRPC must be about to listen, too.
    process.nextTick(() => follow(stream, arriving, settle))
  }
  // gRPC pauses a stream while it has messages to hand over. Node keeps one that a client closes without an error until it has
  // been read: paused, for as long as the connection lives, and nobody is told of its end.
  const onClosed = (message: unknown): void => {
    const { stream } = message as { stream: ServerHttp2Stream }
    if (own.has(stream)) stream.resume()
  }

  subscribe(STREAM_CREATED, onStream)
  subscribe(STREAM_CLOSED, onClosed)
  return {
    watch(socket, id, limits) {
      const arriving = new Arriving(id, socket, limits)
      Object.defineProperty(socket, tag, { value: arriving })
      connections.add(arriving)
      timer ??= clock.after(SWEEP_MS, sweep)
      socket.once('close', () => forget(arriving))
    },
    close() {
      unsubscribe(STREAM_CREATED, onStream)
      unsubscribe(STREAM_CLOSED, onClosed)
      timer?.cancel()
    },
  }
}

/** One connection. */
class Arriving {
  readonly id: string
  /** Bytes that what gRPC keeps of unfinished messages may take up. */
  unfinished = 0
  /** What it does beyond its own limits. */
  excess: string | undefined
  readonly #socket: Socket
  readonly #limits: InboundLimits | undefined
  #streams = 0
  /** Those with an unfinished message, the oldest first. */
  readonly #unfinished = new Map<Stream, Mark>()
  #read = 0
  #parts = 0
  /** Of DATA frames, without padding. */
  #dataBytes = 0
  #controlBytes = 0

  constructor(id: string, socket: Socket, limits: InboundLimits | undefined) {
    this.id = id
    this.#socket = socket
    this.#limits = limits
  }

  open(): void {
    this.#streams += 1
    const { streams: most = Infinity } = this.#limits ?? {}
    if (this.#streams > most) this.excess = `has more than ${most} streams open`
  }

  take(stream: Stream, chunk: Buffer): void {
    if (stream.take(chunk)) {
      this.#unfinished.delete(stream)
      this.#unfinished.set(stream, { read: this.#read, parts: this.#parts })
    }
    if (stream.whole) this.#unfinished.delete(stream)
    const { messageBytes: most = Infinity } = this.#limits ?? {}
    if (stream.longest > most)
      this.excess = `sends a message that is compressed, or of over ${most} bytes`
    this.#dataBytes += chunk.length
    this.#parts += 1
    this.#read = this.#socket.bytesRead
    this.#measure()
  }

  drop(stream: Stream): void {
    this.#streams -= 1
    this.#unfinished.delete(stream)
    this.#measure()
  }

  /** Since it was last asked. */
  controlBytes(): number {
    const before = this.#controlBytes
    this.#controlBytes = this.#socket.bytesRead - this.#dataBytes
    return this.#controlBytes - before
  }

  /** A part keeps the whole of the read it came with: all that was read since the oldest message began counts. */
  #measure(): void {
    const [oldest] = this.#unfinished.values()
    this.unfinished =
      oldest === undefined
        ? 0
        : this.#read - oldest.read + (this.#parts - oldest.parts) * PART_BYTES
  }
}

/** What had come on the connection before a message began. */
interface Mark {
  readonly read: number
  readonly parts: number
}

function follow(
  stream: ServerHttp2Stream,
  arriving: Arriving,
  settle: (arriving: Arriving, change: () => void) => void,
): void {
  const messages = new Stream()
  settle(arriving, () => arriving.open())
  stream.on('data', (chunk: Buffer) => settle(arriving, () => arriving.take(messages, chunk)))
  stream.once('close', () => settle(arriving, () => arriving.drop(messages)))
}

const HEAD_BYTES = 5

/** Where a message ends and the next begins (gRPC over HTTP/2, Length-Prefixed-Message): a flag, its length in four bytes, it. */
class Stream {
  /** Of what the heads of messages said, bytes; Infinity: one is compressed. */
  longest = 0
  #head = 0
  #length = 0

  /** Nothing of the next message has come. */
  get whole(): boolean {
    return this.#head === 0
  }

  /** True where a message began in `chunk`. */
  take(chunk: Buffer): boolean {
    let began = false
    for (let at = 0; at < chunk.length;) {
      if (this.#head < HEAD_BYTES) {
        began ||= this.#head === 0
        if (this.#head === 0 && chunk[at] !== 0) this.longest = Infinity
        // Of what was the flag nothing is left after the fourth byte of the length.
        this.#length = (this.#length * 256 + (chunk[at] ?? 0)) % 2 ** 32
        this.#head += 1
        at += 1
      } else {
        const step = Math.min(this.#length, chunk.length - at)
        this.#length -= step
        at += step
      }
      if (this.#head < HEAD_BYTES) continue
      this.longest = Math.max(this.longest, this.#length)
      if (this.#length === 0) this.#head = 0
    }
    return began
  }
}
