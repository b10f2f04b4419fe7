import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { retryDelay } from '../../../src/runtime/backoff.ts'

const limits = { baseMs: 100, maxMs: 5_000 }

test('retryDelay: doubles with each attempt until its maximum', () => {
  const delays = [0, 1, 2, 3, 10, 1_000].map((attempt) => retryDelay(attempt, limits, 1))
  assert.deepEqual(delays, [100, 200, 400, 800, 5_000, 5_000])
})

test('retryDelay: jitter moves within the upper half', () => {
  assert.equal(retryDelay(2, limits, 0), 200)
  assert.equal(retryDelay(2, limits, 0.5), 300)
})

test('retryDelay: never waits longer than a tenth of the life left, nor less than 1 ms', () => {
  fc.assert(
    fc.property(
      fc.nat(100),
      fc.integer({ min: -10_000, max: 1_000_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempt, lifeLeftMs, fraction) => {
        const delay = retryDelay(attempt, { ...limits, lifeLeftMs }, fraction)
        assert.ok(delay >= 1)
        assert.ok(delay <= Math.max(1, lifeLeftMs / 10))
      },
    ),
  )
})
