import { Buffer } from 'node:buffer'
import { SpindleError, type ErrorCode } from '../runtime/errors.ts'

/** A JSON object in the order of the text. A Map, so that no member name has a meaning of its own. */
export type JsonObject = ReadonlyMap<string, JsonValue>
/** A number written as an integer is a bigint and exact; one with a fraction or an exponent is a number. */
export type JsonValue =
  null | boolean | bigint | number | string | readonly JsonValue[] | JsonObject

export interface JsonReading {
  /** The code of the error that is thrown. */
  readonly code: ErrorCode
  /** What is read, such as `bundle of example.org`: the first words of the error. */
  readonly place: string
}

/** Bytes of UTF-8. */
export const MAX_JSON_BYTES = 4 * 1024 * 1024
const MAX_DEPTH = 32
/** More digits than any number of these formats has; longer ones only cost time. */
const MAX_NUMBER_LENGTH = 400

/**
 * Reads JSON (RFC 8259) strictly: integers are exact, an object names a member once, no byte order mark, no unpaired
 * surrogate, at most 4 MiB and 32 levels. `JSON.parse` rounds integers and keeps the last of two equal names unseen.
 * @throws SpindleError with the given code, naming line and column, counted from 1.
 */
export function readJson(text: unknown, reading: JsonReading): JsonValue {
  if (typeof text !== 'string') throw new SpindleError(reading.code, `${reading.place}: not a text`)
  if (text.length > MAX_JSON_BYTES || Buffer.byteLength(text) > MAX_JSON_BYTES) {
    throw new SpindleError(reading.code, `${reading.place}: longer than ${MAX_JSON_BYTES} bytes`)
  }
  const cursor: Cursor = { text, at: 0, depth: 0, reading }
  if (text.startsWith('\uFEFF')) throw fault(cursor, 'a byte order mark is not allowed')
  skipSpace(cursor)
  const value = readValue(cursor)
  skipSpace(cursor)
  if (cursor.at < text.length) throw fault(cursor, `unexpected ${here(cursor)} after the document`)
  return value
}

interface Cursor {
  readonly text: string
  readonly reading: JsonReading
  at: number
  depth: number
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

function readValue(cursor: Cursor): JsonValue {
  switch (cursor.text.charAt(cursor.at)) {
    case '{':
      return nested(cursor, readObject)
    case '[':
      return nested(cursor, readArray)
    case '"':
      return readString(cursor)
    case 't':
      return readWord(cursor, 'true', true)
    case 'f':
      return readWord(cursor, 'false', false)
    case 'n':
      return readWord(cursor, 'null', null)
    default:
      return readNumber(cursor)
  }
}

function nested<T>(cursor: Cursor, read: (cursor: Cursor) => T): T {
  if (cursor.depth === MAX_DEPTH) throw fault(cursor, `nested deeper than ${MAX_DEPTH} levels`)
  cursor.depth++
  const value = read(cursor)
  cursor.depth--
  return value
}

function readObject(cursor: Cursor): JsonObject {
  const members = new Map<string, JsonValue>()
  cursor.at++
  skipSpace(cursor)
  if (take(cursor, '}')) return members
  do {
    skipSpace(cursor)
    const nameAt = cursor.at
    if (cursor.text[cursor.at] !== '"')
      throw fault(cursor, `expected a name, found ${here(cursor)}`)
    const name = readString(cursor)
    if (members.has(name)) {
      cursor.at = nameAt
      throw fault(cursor, `the name ${shorten(name)} appears twice in one object`)
    }
    skipSpace(cursor)
    if (!take(cursor, ':')) throw fault(cursor, `expected ":", found ${here(cursor)}`)
    skipSpace(cursor)
    members.set(name, readValue(cursor))
    skipSpace(cursor)
  } while (take(cursor, ','))
  if (!take(cursor, '}')) throw fault(cursor, `expected "," or "}", found ${here(cursor)}`)
  return members
}

function readArray(cursor: Cursor): readonly JsonValue[] {
  const values: JsonValue[] = []
  cursor.at++
  skipSpace(cursor)
  if (take(cursor, ']')) return values
  do {
    skipSpace(cursor)
    values.push(readValue(cursor))
    skipSpace(cursor)
  } while (take(cursor, ','))
  if (!take(cursor, ']')) throw fault(cursor, `expected "," or "]", found ${here(cursor)}`)
  return values
}

function readString(cursor: Cursor): string {
  const start = cursor.at++
  const pieces: string[] = []
  for (;;) {
    // From the space on, all but the quote and the backslash.
    pieces.push(match(cursor, /[ !#-[\]-\uffff]*/y))
    if (take(cursor, '"')) break
    if (!take(cursor, '\\')) throw fault(cursor, `${here(cursor)} inside a string`)
    pieces.push(readEscape(cursor))
  }
  const value = pieces.join('')
  if (!value.isWellFormed()) {
    cursor.at = start
    throw fault(cursor, 'a string with an unpaired surrogate')
  }
  return value
}

function readEscape(cursor: Cursor): string {
  const hex = match(cursor, /u[0-9a-fA-F]{4}/y)
  if (hex !== '') return String.fromCharCode(Number.parseInt(hex.slice(1), 16))
  const letter = match(cursor, /["\\/bfnrt]/y)
  if (letter === '') throw fault(cursor, `unknown escape ${here(cursor)}`)
  return ESCAPES[letter] ?? ''
}

function readNumber(cursor: Cursor): bigint | number {
  const start = cursor.at
  const digits = match(cursor, /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y)
  if (digits === '') throw fault(cursor, `expected a value, found ${here(cursor)}`)
  if (digits.length > MAX_NUMBER_LENGTH) {
    cursor.at = start
    throw fault(cursor, `a number longer than ${MAX_NUMBER_LENGTH} characters`)
  }
  return /[.eE]/.test(digits) ? Number(digits) : BigInt(digits)
}

function readWord<T>(cursor: Cursor, word: string, value: T): T {
  if (!cursor.text.startsWith(word, cursor.at)) {
    throw fault(cursor, `expected a value, found ${here(cursor)}`)
  }
  cursor.at += word.length
  return value
}

function skipSpace(cursor: Cursor): void {
  match(cursor, /[ \t\n\r]*/y)
}

function take(cursor: Cursor, unit: string): boolean {
  if (cursor.text[cursor.at] !== unit) return false
  cursor.at++
  return true
}

function match(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)?.[0] ?? ''
  cursor.at += found.length
  return found
}

/** One character only: a document given by mistake may be a key file, and none of it belongs in a log. */
function here(cursor: Cursor): string {
  const code = cursor.text.codePointAt(cursor.at)
  if (code === undefined) return 'the end'
  if (code > 0x20 && code < 0x7f) return JSON.stringify(String.fromCodePoint(code))
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

function shorten(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64).toWellFormed()}…` : name)
}

function fault(cursor: Cursor, what: string): SpindleError {
  const before = cursor.text.slice(0, cursor.at)
  const line = before.split('\n').length
  const column = cursor.at - before.lastIndexOf('\n')
  const place = `${cursor.reading.place}: line ${line}, column ${column}`
  return new SpindleError(cursor.reading.code, `${place}: ${what}`)
}
