import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNonces, drawUuid, systemRandom } from '../../../src/runtime/random.ts'

test('systemRandom.bytes: gives the number asked for, different each time', () => {
  const seen = new Set(Array.from({ length: 100 }, () => systemRandom.bytes(20).toString('hex')))
  assert.equal(seen.size, 100)
  for (const hex of seen) assert.equal(hex.length, 40)
})

test('systemRandom.fraction: lies in [0, 1) and is spread over it', () => {
  const draws = Array.from({ length: 4_000 }, () => systemRandom.fraction())
  assert.ok(draws.every((draw) => draw >= 0 && draw < 1))
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
  assert.ok(mean > 0.45 && mean < 0.55, String(mean))
  assert.ok(Math.min(...draws) < 0.01 && Math.max(...draws) > 0.99)
})

test('drawUuid: is a UUID of version 4, another each time', () => {
  const drawn = Array.from({ length: 100 }, () => drawUuid(systemRandom))
  for (const text of drawn)
    assert.match(text, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.equal(new Set(drawn).size, 100)
})

test('createNonces: gives no text twice, nor one of another life', () => {
  const lives = [createNonces(systemRandom), createNonces(systemRandom)]
  const seen = lives.flatMap((nonce) => Array.from({ length: 1_000 }, nonce))
  assert.equal(new Set(seen).size, 2_000)
})
