import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { codeOf, messageOf } from '../../../src/runtime/errors.ts'
import { MAX_JSON_BYTES, readJson, type JsonValue } from '../../../src/spiffe/json.ts'

const reading = { code: 'bundle_invalid', place: 'here' } as const
const read = (text: unknown): JsonValue => readJson(text, reading)

/** What JSON.parse would make of the same text. */
function plain(value: JsonValue): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Map) {
    return Object.fromEntries(Array.from(value, ([name, member]) => [name, plain(member)]))
  }
  return Array.isArray(value) ? value.map(plain) : value
}

function messageFor(text: unknown): string {
  try {
    read(text)
  } catch (error) {
    assert.equal(codeOf(error), 'bundle_invalid')
    return messageOf(error)
  }
  return 'accepted'
}

test('readJson reads what JSON.parse reads, to equal values', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      // -0 is one integer to a bigint.
      const normal = (value: unknown): string => JSON.stringify(value)
      assert.equal(normal(plain(read(text))), normal(JSON.parse(text)))
    }),
    { numRuns: 500 },
  )
})

test('readJson accepts no text that JSON.parse refuses, and refuses the others only for its own rules', () => {
  const mutated = fc
    .tuple(
      fc.json({ maxDepth: 4 }),
      fc.nat(),
      fc.constantFrom(...Array.from('{}[]",:\\0-1.eE+tn \n\u0000\u001f\u007f')),
    )
    .map(([text, at, unit]) => {
      const cut = at % (text.length + 1)
      return at % 2 === 0
        ? text.slice(0, cut) + unit + text.slice(cut)
        : text.slice(0, cut) + unit + text.slice(cut + 1)
    })
  const parses = (text: string): boolean => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  fc.assert(
    fc.property(mutated, (text) => {
      const message = messageFor(text)
      if (message === 'accepted') assert.ok(parses(text), text)
      else if (parses(text)) assert.match(message, /appears twice|surrogate|levels|longer/, text)
    }),
    { numRuns: 3000 },
  )
})

test('readJson takes a number of 400 characters', () => {
  assert.equal(read('1'.repeat(400)), BigInt('1'.repeat(400)))
})

test('readJson keeps every digit of an integer and tells it from a fraction', () => {
  assert.equal(read('9007199254740993'), 9007199254740993n)
  assert.equal(read('-18446744073709551616'), -18446744073709551616n)
  assert.equal(read('300.0'), 300)
  assert.equal(read('3e2'), 300)
})

test('readJson refuses a name twice in one object, also written with escapes, and allows it in two', () => {
  const message = messageFor('{\n  "a": 1,\n  "\\u0061": 2\n}')
  assert.equal(message, 'here: line 3, column 3: the name "a" appears twice in one object')
  assert.equal(messageFor('{"a":{"a":1},"b":[{"a":1}]}'), 'accepted')
})

test('readJson gives names like __proto__ no meaning', () => {
  const value = read('{"__proto__":{"keys":[]},"constructor":1}')
  assert.ok(value instanceof Map)
  assert.deepEqual(Array.from(value.keys()), ['__proto__', 'constructor'])
  assert.equal(value.get('keys'), undefined)
})

test('readJson names line and column of a fault', () => {
  const faults: readonly (readonly [text: string, message: string])[] = [
    ['', 'line 1, column 1: expected a value, found the end'],
    ['{"a":\n\n  tru}', 'line 3, column 3: expected a value, found "t"'],
    ['[1,]', 'line 1, column 4: expected a value, found "]"'],
    ['{"a":1,}', 'line 1, column 8: expected a name, found "}"'],
    ['{"a" 1}', 'line 1, column 6: expected ":", found "1"'],
    ['{"a":1 "b"', 'line 1, column 8: expected "," or "}", found "\\""'],
    ['[1 2', 'line 1, column 4: expected "," or "]", found "2"'],
    ['01', 'line 1, column 2: unexpected "1" after the document'],
    ['"a\nb"', 'line 1, column 3: U+000A inside a string'],
    ['"abc', 'line 1, column 5: the end inside a string'],
    ['é', 'line 1, column 1: expected a value, found U+00E9'],
    ['\u007f', 'line 1, column 1: expected a value, found U+007F'],
    ['😀', 'line 1, column 1: expected a value, found U+1F600'],
    ['"\\x"', 'line 1, column 3: unknown escape "x"'],
    ['"\\u12"', 'line 1, column 3: unknown escape "u"'],
    ['"\\ud800"', 'line 1, column 1: a string with an unpaired surrogate'],
    [`[${'1'.repeat(401)}]`, 'line 1, column 2: a number longer than 400 characters'],
  ]
  for (const [text, message] of faults) assert.equal(messageFor(text), `here: ${message}`)
})

test('readJson takes a surrogate pair in either spelling', () => {
  assert.equal(read('"\\ud83d\\ude00😀"'), '😀😀')
})

test('readJson refuses a byte order mark, and what is no text', () => {
  assert.match(messageFor('\uFEFF{}'), /line 1, column 1: a byte order mark/)
  for (const value of [undefined, null, 5, {}, new Uint8Array(2)]) {
    assert.equal(messageFor(value), 'here: not a text')
  }
})

test('readJson takes 4 MiB and not a byte more, counted as UTF-8', () => {
  const full = (unit: string, size: number): string =>
    `"${unit.repeat((MAX_JSON_BYTES - 2) / size)}"`
  assert.equal(messageFor(full('a', 1)), 'accepted')
  assert.match(messageFor(`${full('a', 1)} `), /longer than 4194304 bytes/)
  assert.equal(messageFor(full('é', 2)), 'accepted')
  assert.match(messageFor(`${full('é', 2)} `), /longer than 4194304 bytes/)
})

test('readJson takes 32 levels and not one more', () => {
  assert.equal(messageFor('['.repeat(32) + ']'.repeat(32)), 'accepted')
  assert.match(
    messageFor('['.repeat(33) + ']'.repeat(33)),
    /column 33: nested deeper than 32 levels/,
  )
  assert.match(messageFor('{"a":'.repeat(100_000)), /nested deeper/)
})

test('readJson shows one character of what it cannot read, so that a key file given by mistake stays secret', () => {
  assert.equal(
    messageFor('-----BEGIN PRIVATE KEY-----\nMIGHAgEA'),
    'here: line 1, column 1: expected a value, found "-"',
  )
})
