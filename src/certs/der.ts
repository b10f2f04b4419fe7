/** Writing DER (X.690): the few types an X.509 certificate of a fixed profile is made of. Reading is `spiffe/der.ts`. */
const tag = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  PRINTABLE_STRING: 0x13,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const

/** One element: its tag, its length in the shortest form, and the parts of its contents. */
export function element(tagByte: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  const head = lengthHead(tagByte, length)
  const whole = Buffer.allocUnsafe(head.length + length)
  whole.set(head, 0)
  let at = head.length
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function lengthHead(tagByte: number, length: number): readonly number[] {
  if (length < 0x80) return [tagByte, length]
  if (length < 0x100) return [tagByte, 0x81, length]
  if (length < 0x10000) return [tagByte, 0x82, length >> 8, length & 0xff]
  return [tagByte, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => element(tag.SEQUENCE, ...parts)
export const set = (...parts: readonly Uint8Array[]): Buffer => element(tag.SET, ...parts)
export const octetString = (...parts: readonly Uint8Array[]): Buffer =>
  element(tag.OCTET_STRING, ...parts)
export const utf8String = (text: string): Buffer =>
  element(tag.UTF8_STRING, Buffer.from(text, 'utf8'))
/** `text` must keep to the PrintableString alphabet (X.680 41.4). */
export const printableString = (text: string): Buffer =>
  element(tag.PRINTABLE_STRING, Buffer.from(text, 'latin1'))

/** A BIT STRING of whole bytes. */
export const bitString = (bytes: Uint8Array): Buffer =>
  element(tag.BIT_STRING, Buffer.from([0]), bytes)

/** A non-negative INTEGER from its big-endian bytes, in the shortest form. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const magnitude = bytes.subarray(start)
  const first = magnitude[0]
  if (first === undefined) return element(tag.INTEGER, Buffer.from([0]))
  return first < 0x80
    ? element(tag.INTEGER, magnitude)
    : element(tag.INTEGER, Buffer.from([0]), magnitude)
}

/** An OBJECT IDENTIFIER from its dotted form; arcs below 2^31. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    const digits = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
    bytes.push(...digits)
  }
  return element(tag.OBJECT_IDENTIFIER, Buffer.from(bytes))
}

/** The last instant a certificate can say, in ms since the epoch. */
export const LATEST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59)

/**
 * A Time (RFC 5280 4.1.2.5): UTCTime for the years 1950 to 2049, GeneralizedTime for all others, in UTC and whole
 * seconds. `instant` is in ms since the epoch, from 0 to
 * `LATEST_TIME`.
 */
export function time(instant: number): Buffer {
  // 2026-11-22T09:19:00.000Z without its separators and milliseconds
  const digits = new Date(instant).toISOString().slice(0, 19).replace(/[-T:]/g, '')
  const year = Number(digits.slice(0, 4))
  return year >= 1950 && year <= 2049
    ? element(tag.UTC_TIME, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
    : element(tag.GENERALIZED_TIME, Buffer.from(`${digits}Z`, 'latin1'))
}
