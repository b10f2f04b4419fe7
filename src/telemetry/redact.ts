import { SpindleError } from '../runtime/errors.ts'
import { holdsKeyText } from '../runtime/key-text.ts'

/*
 * What keeps key material out of the log: bytes and key objects are never written, text that looks like a private key is
 * replaced whole, and errors are cut to what is meant to be read. It runs on every field of every line, so that a careless
 * caller leaks nothing either.
 */

const REDACTED = '[redacted: private key]'

/** Names under which keys travel in our own types and in JWKs. */
const KEY_FIELDS: ReadonlySet<string> = new Set([
  'pkcs8',
  'privateKey',
  'private_key',
  'x509SvidKey',
  'x509_svid_key',
])

const DEEPEST = 6
const LONGEST_TEXT = 4096
const MOST_ITEMS = 100

export function redactText(text: string): string {
  if (holdsKeyText(text)) return REDACTED
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text
}

/** A copy of `value` that may be written: plain JSON values only. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (depth >= DEEPEST) return '[…]'
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return `[${value.byteLength} bytes]`
  if (value instanceof Error) return redactError(value, depth)
  if (value instanceof Date) return value
  if (value instanceof Map) return redact(Object.fromEntries(value), depth + 1)
  if (value instanceof Set || Array.isArray(value))
    return Array.from(value as Iterable<unknown>)
      .slice(0, MOST_ITEMS)
      .map((item) => redact(item, depth + 1))
  if (isKeyObject(value)) return REDACTED
  return redactFields(value, depth + 1)
}

/** KeyObject and CryptoKey, without importing crypto: both say what they are. */
function isKeyObject(value: object): boolean {
  const name = Object.prototype.toString.call(value)
  return (
    name === '[object CryptoKey]' || name === '[object KeyObject]' || 'asymmetricKeyType' in value
  )
}

function redactFields(value: object, depth: number): unknown {
  // RFC 7517: `d` is in every private key that has a public one, `k` in every secret one.
  if ('kty' in value && ('d' in value || 'k' in value)) return REDACTED
  const fields = Object.entries(value).map(([name, field]): [string, unknown] => [
    name,
    KEY_FIELDS.has(name) ? REDACTED : redact(field, depth),
  ])
  return Object.fromEntries(fields)
}

/** Of an error nobody raised on purpose the frames are kept too: they are what a report of it needs. */
function redactError(error: Error, depth: number): Record<string, unknown> {
  const message = redactText(error.message)
  const cause = error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) }
  if (error instanceof SpindleError) return { code: error.code, message, ...cause }
  const code = 'code' in error ? redact(error.code, depth + 1) : 'internal'
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return { code, message, ...cause, stack: frames.slice(0, 12).map((line) => line.trim()) }
}
