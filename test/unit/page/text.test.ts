import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fits, isLate, lookOfState, plural, span, untilText } from '../../../src/page/text.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

test('span() says two units at most, and no more than has passed', () => {
  const said: readonly (readonly [number, string])[] = [
    [-5, '0s'],
    [999, '0s'],
    [59 * SECOND + 999, '59s'],
    [MINUTE, '1m'],
    [HOUR - SECOND, '59m 59s'],
    [HOUR + 59 * SECOND, '1h'],
    [25 * HOUR + MINUTE, '1d 1h'],
    [48 * HOUR, '2d'],
  ]
  for (const [ms, text] of said) assert.equal(span(ms), text)
})

test('untilText() counts down to an instant and up from it', () => {
  assert.equal(untilText(10 * SECOND, 0), 'in 10s')
  assert.equal(untilText(0, 0), '0s ago')
  assert.equal(untilText(0, MINUTE), '1m ago')
})

test('isLate() marks the last quarter of a life, and what has ended', () => {
  assert.equal(isLate(0, 100, 75), false)
  assert.equal(isLate(0, 100, 76), true)
  assert.equal(isLate(undefined, 100, 99), false)
  assert.equal(isLate(undefined, 100, 100), true)
})

test('fits() wants every word somewhere, in whatever case', () => {
  assert.ok(fits('WEB rejected', 'pid 7 spiffe://example.org/web Rejected'))
  assert.ok(!fits('web acknowledged', 'web rejected'))
  assert.ok(fits('', 'anything'))
})

test('plural() and lookOfState() have a word for everything', () => {
  assert.deepEqual([plural(1, 'stream'), plural(1_234, 'stream')], ['1 stream', '1,234 streams'])
  const states = ['acknowledged', 'sent', 'pending', 'waiting', 'rejected', 'unanswered', 'revoked']
  const signs = states.map((state) => lookOfState(state).sign + lookOfState(state).word)
  assert.equal(new Set(signs).size, states.length, 'two states look alike without their colour')
  assert.equal(lookOfState('a new one').word, 'a new one')
})
