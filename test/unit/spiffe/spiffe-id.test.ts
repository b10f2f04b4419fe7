import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { messageOf } from '../../../src/runtime/errors.ts'
import {
  isWorkloadId,
  parseSpiffeId,
  parseTrustDomain,
  trustDomainId,
  trustDomainOf,
} from '../../../src/spiffe/spiffe-id.ts'

const segment = fc.stringMatching(/^[a-zA-Z0-9._-]{1,12}$/).filter((s) => s !== '.' && s !== '..')
const name = fc.stringMatching(/^[a-z0-9._-]{1,20}$/)

test('parseSpiffeId takes every trust domain and path of the legal characters apart again', () => {
  fc.assert(
    fc.property(name, fc.array(segment, { maxLength: 5 }), (host, segments) => {
      const id = parseSpiffeId(['spiffe:/', host, ...segments].join('/'))
      assert.equal(trustDomainOf(id), host)
      assert.equal(isWorkloadId(id), segments.length > 0)
      assert.equal(trustDomainId(parseTrustDomain(host)), `spiffe://${host}`)
    }),
  )
})

test('parseTrustDomain refuses an ID, a path and nothing at all', () => {
  for (const text of ['spiffe://example.org', 'example.org/a', '', 'a b']) {
    assert.throws(() => parseTrustDomain(text), { code: 'spiffe_id_invalid' }, text)
  }
})

test('parseSpiffeId names what is wrong, where, and the clause', () => {
  const faults: readonly (readonly [text: string, message: RegExp])[] = [
    ['http://example.org', /does not begin with spiffe:\/\/ \(SPIFFE-ID 2\)/],
    ['spiffe://', /no trust domain name \(SPIFFE-ID 2\.1\)/],
    ['spiffe://exAmple.org/a', /"A" at byte 11: .*lower case \(SPIFFE-ID 2\.1\)/],
    ['spiffe://Z/a', /"Z" at byte 9: .*lower case/],
    ['spiffe://~/a', /"~" at byte 9: .*is made of a-z/],
    ['spiffe://!/a', /"!" at byte 9: .*is made of a-z/],
    ['spiffe://\u007f/a', /U\+007F at byte 9: .*is made of a-z/],
    ['spiffe://u@h/a', /"@" at byte 10: no user/],
    ['spiffe://h:1/a', /":" at byte 10: .*no port/],
    ['spiffe://h%41/a', /"%" at byte 10: no percent-encoding/],
    ['spiffe://h?/a', /no query/],
    ['spiffe://h\u0000/a', /U\+0000 at byte 10/],
    ['spiffe://h/a#', /"#" at byte 12: no query and no fragment/],
    ['spiffe://h/a%41', /"%" at byte 12: no percent-encoding in a path/],
    ['spiffe://h/a b', /U\+0020 at byte 12 \(SPIFFE-ID 2\.2/],
    ['spiffe://h/a//b', /empty segment at byte 13 \(SPIFFE-ID 2\.2/],
    ['spiffe://h/a/', /ends with \/ \(SPIFFE-ID 2\.2/],
    ['spiffe://h/a/../b', /the segment \.\. \(SPIFFE-ID 2\.2/],
    [`spiffe://${'h'.repeat(256)}`, /longer than 255 bytes \(SPIFFE-ID 2\.3\)/],
    [`spiffe://h/${'a'.repeat(2048)}`, /longer than 2048 bytes \(SPIFFE-ID 2\.3\)/],
  ]
  for (const [text, message] of faults) assert.throws(() => parseSpiffeId(text), { message })
})

test('parseSpiffeId keeps its message short and free of control characters', () => {
  const hostile = `spiffe://h/\u001b[2J${'x'.repeat(1900)}`
  assert.throws(
    () => parseSpiffeId(hostile),
    (error) => {
      assert.ok(messageOf(error).length < 250)
      return !/\p{Cc}/u.test(messageOf(error))
    },
  )
})
