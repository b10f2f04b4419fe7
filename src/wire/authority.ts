/**
 * grpc-java, and so java-spiffe, names the path of the Unix socket it calls as `:authority`. RFC 9113 8.3.1 has no `/` there:
 * Node's HTTP/2 ends such a stream as a protocol error, and no option lets it pass. Nothing here looks at the authority, so what
 * may not stand in it is written over before HTTP/2 reads it: byte for byte, so that the lengths of frames, and the table that
 * header compression keeps on both sides, stay as they were (RFC 7541 4.1).
 */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const FRAME_HEAD = 9
const HEADERS = 1
const SETTINGS = 4
const PADDED = 0x8
const PRIORITY = 0x20
const MAX_CONCURRENT_STREAMS = 3
/** RFC 9113 6.5.2: no frame is longer unless the server allows it, and it does not. */
const MOST_FRAME_BYTES = 16_384
/** Of `:authority` in the static table (RFC 7541 A). */
const AUTHORITY_INDEX = 1
const AUTHORITY = Buffer.from(':authority')

/**
 * Whether the first bytes of a connection are those of a client that may name a path: one that lets the server open no streams,
 * as gRPC's in Java and in C do and Envoy and gRPC's in Go do not.
 * @returns undefined: there are too few bytes to tell
 */
export function mayNamePath(first: Buffer): boolean | undefined {
  const hello = first.subarray(0, PREFACE.length)
  if (!hello.equals(PREFACE.subarray(0, hello.length))) return false
  const frame = first.subarray(PREFACE.length)
  if (frame.length < FRAME_HEAD) return undefined
  const length = frame.readUIntBE(0, 3)
  if (frame[3] !== SETTINGS || length > MOST_FRAME_BYTES) return false
  if (frame.length < FRAME_HEAD + length) return undefined
  for (let at = FRAME_HEAD; at + 6 <= FRAME_HEAD + length; at += 6)
    if (frame.readUInt16BE(at) === MAX_CONCURRENT_STREAMS && frame.readUInt32BE(at + 2) === 0)
      return true
  return false
}

/** What a client sends, from its first byte on, with authorities that HTTP/2 takes. */
export class AuthorityMender {
  /** The beginning of a frame that is looked at whole. */
  #held: Buffer = Buffer.alloc(0)
  /** How much of what comes next is none. */
  #passing = PREFACE.length

  /** The bytes that may go on, in their order; what is held back goes with a later chunk. */
  mend(chunk: Buffer): readonly Buffer[] {
    const parts: Buffer[] = []
    let left = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = Buffer.alloc(0)
    while (left.length > 0) {
      if (this.#passing > 0) {
        const part = left.subarray(0, this.#passing)
        parts.push(part)
        this.#passing -= part.length
        left = left.subarray(part.length)
        continue
      }
      const frame = this.#frameOf(left)
      if (frame === undefined) {
        this.#held = left
        break
      }
      parts.push(frame)
      left = left.subarray(frame.length)
    }
    return parts
  }

  /** A HEADERS frame, mended; of any other its head, what follows passing by. undefined: not all of it has come. */
  #frameOf(bytes: Buffer): Buffer | undefined {
    if (bytes.length < FRAME_HEAD) return undefined
    const length = bytes.readUIntBE(0, 3)
    if (bytes[3] !== HEADERS || length > MOST_FRAME_BYTES) {
      this.#passing = length
      return bytes.subarray(0, FRAME_HEAD)
    }
    if (bytes.length < FRAME_HEAD + length) return undefined
    return mended(bytes.subarray(0, FRAME_HEAD + length))
  }
}

/** What cannot be read is left as it is: HTTP/2 says what is wrong with it. */
function mended(frame: Buffer): Buffer {
  const flags = frame[4] ?? 0
  const padding = (flags & PADDED) === 0 ? 0 : 1 + (frame[FRAME_HEAD] ?? 0)
  const start = FRAME_HEAD + ((flags & PADDED) === 0 ? 0 : 1) + ((flags & PRIORITY) === 0 ? 0 : 5)
  const end = padding === 0 ? frame.length : frame.length - padding + 1
  const authority = findAuthority(frame, start, end)
  if (authority === undefined) return frame
  const copy = Buffer.from(frame)
  for (let at = authority.start; at < authority.end; at++)
    if (!MAY_STAND.test(String.fromCharCode(copy[at] ?? 0))) copy[at] = 0x2d
  return copy
}

/** RFC 3986 3.2: what an authority is made of. */
const MAY_STAND = /[A-Za-z0-9._~!$&'()*+,;=:@[\]%-]/

interface Text {
  readonly start: number
  readonly end: number
  readonly isHuffman: boolean
}

/** The value of `:authority` where a header block (RFC 7541 6) spells it out, not Huffman coded. */
function findAuthority(bytes: Buffer, start: number, end: number): Text | undefined {
  for (let at = start; at < end;) {
    const first = bytes[at] ?? 0
    // 6.1 indexed, 6.2.1 literal that is indexed, 6.3 size of the table, 6.2.2 and 6.2.3 literal that is not.
    const bits = first >= 0x80 ? 7 : first >= 0x40 ? 6 : first >= 0x20 ? 5 : 4
    const index = integer(bytes, at, bits)
    if (index === undefined) return undefined
    at = index.end
    if (bits === 7 || bits === 5) continue
    const name = index.value === 0 ? text(bytes, at, end) : undefined
    if (index.value === 0 && name === undefined) return undefined
    const value = text(bytes, name?.end ?? at, end)
    if (value === undefined) return undefined
    at = value.end
    const isAuthority =
      index.value === AUTHORITY_INDEX ||
      (name !== undefined && bytes.subarray(name.start, name.end).equals(AUTHORITY))
    if (isAuthority) return value.isHuffman ? undefined : value
  }
  return undefined
}

/** RFC 7541 5.2. */
function text(bytes: Buffer, at: number, end: number): Text | undefined {
  const length = integer(bytes, at, 7)
  if (length === undefined || length.end + length.value > end) return undefined
  const isHuffman = ((bytes[at] ?? 0) & 0x80) !== 0
  return { start: length.end, end: length.end + length.value, isHuffman }
}

/** RFC 7541 5.1, up to 2^28. */
function integer(
  bytes: Buffer,
  at: number,
  bits: number,
): { readonly value: number; readonly end: number } | undefined {
  const most = 2 ** bits - 1
  let value = (bytes[at] ?? 0) & most
  if (value < most) return { value, end: at + 1 }
  for (let shift = 0; shift < 28; shift += 7) {
    at += 1
    const byte = bytes[at]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return { value, end: at + 1 }
  }
  return undefined
}
