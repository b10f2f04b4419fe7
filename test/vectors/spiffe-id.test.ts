import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { codeOf } from '../../src/runtime/errors.ts'
import {
  isWorkloadId,
  parseSpiffeId,
  parseTrustDomain,
  trustDomainOf,
} from '../../src/spiffe/spiffe-id.ts'

function assertValid(text: string, trustDomain: string, workload: boolean): void {
  const id = parseSpiffeId(text)
  assert.equal(id, text)
  assert.equal(trustDomainOf(id), trustDomain)
  assert.equal(isWorkloadId(id), workload)
}

function accepts(text: string): boolean {
  try {
    parseSpiffeId(text)
    return true
  } catch (error) {
    assert.equal(codeOf(error), 'spiffe_id_invalid')
    return false
  }
}

function assertInvalid(...texts: readonly string[]): void {
  for (const text of texts) assert.equal(accepts(text), false, JSON.stringify(text))
}

test('T-ID-1 an ID without a path is the ID of a trust domain and of no workload', () => {
  assertValid('spiffe://example.org', 'example.org', false)
})

test('T-ID-2 odd names in the legal characters are legal', () => {
  assertValid('spiffe://my_td.-./A.b-c_9/...', 'my_td.-.', true)
})

test('T-ID-3 an IPv4 address is a trust domain name, an IPv6 address is none', () => {
  assertValid('spiffe://10.0.0.1/a', '10.0.0.1', true)
  assertInvalid('spiffe://[::1]/a')
})

test('T-ID-4 empty, dot and trailing segments are refused', () => {
  const paths = ['/', '/a/', '//a', '/a/../b', '/./a', '/..', '/a/.', '/a//b']
  assertInvalid(...paths.map((path) => `spiffe://example.org${path}`))
})

test('T-ID-5 bytes outside the path characters are refused', () => {
  assertInvalid(...['/%41', '/a~b', '/a b', '/ä'].map((path) => `spiffe://example.org${path}`))
})

test('T-ID-6 a query or a fragment is refused, also an empty one', () => {
  assertInvalid(...['/a?', '/a#', '/a?x=1', '?', '#'].map((end) => `spiffe://example.org${end}`))
})

test('T-ID-7 a user or a port is refused, also an empty port', () => {
  assertInvalid(
    'spiffe://u@example.org/a',
    'spiffe://example.org:80/a',
    'spiffe://example.org:/a',
    'spiffe://@example.org/a',
  )
})

test('T-ID-8 upper case in scheme or trust domain is refused and never repaired', () => {
  assertInvalid('SPIFFE://example.org/a', 'spiffe://Example.org/a', 'Spiffe://example.org')
})

test('T-ID-9 a missing trust domain, a missing slash and blanks around are refused', () => {
  assertInvalid(
    'spiffe:///a',
    'spiffe://',
    'spiffe:/example.org/a',
    '',
    ' spiffe://example.org/a',
    'spiffe://example.org/a\n',
  )
})

test('T-ID-10 an ID of 2048 bytes is read, one of 2049 refused', () => {
  const longest = `spiffe://example.org/${'a'.repeat(2027)}`
  assert.equal(longest.length, 2048)
  assertValid(longest, 'example.org', true)
  assertInvalid(`${longest}a`)
})

test('T-ID-11 a trust domain name of 255 bytes is read, one of 256 refused', () => {
  const longest = 'a'.repeat(255)
  assertValid(`spiffe://${longest}/a`, longest, true)
  assertInvalid(`spiffe://${longest}a/a`)
  assert.equal(parseTrustDomain(longest), longest)
  assert.throws(() => parseTrustDomain(`${longest}a`), { code: 'spiffe_id_invalid' })
})

const LOWER = 'abcdefghijklmnopqrstuvwxyz'
const HOST = `${LOWER}0123456789.-_`
const PATH = `${HOST}${LOWER.toUpperCase()}`

/** The place of the byte is `¤`; `allowed` are the bytes that make an ID there, by SPIFFE-ID 2.1 and 2.2. */
const places: readonly (readonly [name: string, template: string, allowed: string])[] = [
  ...Array.from('spiffe://', (unit, at) => {
    const template = `${'spiffe://'.slice(0, at)}¤${'spiffe://'.slice(at + 1)}example.org/ab`
    return [`byte ${at} of the scheme`, template, unit] as const
  }),
  ['before the scheme', '¤spiffe://example.org/ab', ''],
  ['first of the trust domain', 'spiffe://¤xample.org/ab', HOST],
  ['middle of the trust domain', 'spiffe://exam¤le.org/ab', `${HOST}/`],
  ['last of the trust domain', 'spiffe://example.or¤/ab', HOST],
  ['the whole trust domain', 'spiffe://¤/ab', HOST],
  ['after a trust domain without path', 'spiffe://example.org¤', HOST],
  ['between trust domain and path', 'spiffe://example.org¤ab', `${HOST}/`],
  ['first of the path', 'spiffe://example.org/¤bc/de', PATH],
  ['middle of a segment', 'spiffe://example.org/a¤c/de', `${PATH}/`],
  ['last of a segment', 'spiffe://example.org/ab¤/de', PATH],
  ['between two segments', 'spiffe://example.org/ab¤de', `${PATH}/`],
  ['first of a later segment', 'spiffe://example.org/ab/¤e', PATH],
  ['last of the path', 'spiffe://example.org/ab/d¤', PATH],
  ['a segment of its own', 'spiffe://example.org/ab/¤/de', PATH.replace('.', '')],
  ['after a dot', 'spiffe://example.org/.¤', PATH.replace('.', '')],
  ['after two dots', 'spiffe://example.org/..¤', PATH],
]

for (const [name, template, allowed] of places) {
  test(`every byte at its place: ${name}`, () => {
    for (let byte = 0; byte < 256; byte++) {
      const asCodePoint = String.fromCharCode(byte)
      const asUtf8 = Buffer.from([byte]).toString('utf8')
      for (const unit of new Set([asCodePoint, asUtf8])) {
        const text = template.replace('¤', () => unit)
        assert.equal(accepts(text), unit !== '' && allowed.includes(unit), JSON.stringify(text))
      }
    }
  })
}

test('every byte at its place: a trust domain name by itself', () => {
  for (const template of ['¤', '¤b', 'a¤b', 'a¤']) {
    for (let byte = 0; byte < 256; byte++) {
      const text = template.replace('¤', () => String.fromCharCode(byte))
      if (HOST.includes(String.fromCharCode(byte))) assert.equal(parseTrustDomain(text), text)
      else assert.throws(() => parseTrustDomain(text), { code: 'spiffe_id_invalid' })
    }
  }
})
