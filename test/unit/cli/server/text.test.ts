import assert from 'node:assert/strict'
import { test } from 'node:test'
import { another, secondsOf } from '../../../../src/cli/server/options.ts'
import { codeName, goDuration, goInstant } from '../../../../src/cli/server/text.ts'
import { status } from '../../../../src/runtime/grpc-status.ts'

test("goDuration(), goInstant() and codeName() write as Go's own do", () => {
  assert.deepEqual([0, 59, 60, 3600, 90_061].map(goDuration), [
    '0s',
    '59s',
    '1m0s',
    '1h0m0s',
    '25h1m1s',
  ])
  assert.equal(goInstant(1_900_000_000n), '2030-03-17 17:46:40 +0000 UTC')
  const names = [status.OK, status.CANCELLED, status.ALREADY_EXISTS, 99].map(codeName)
  assert.deepEqual(names, ['OK', 'Canceled', 'AlreadyExists', 'Code(99)'])
})

test("secondsOf() takes seconds, our durations and Go's, rounded up", () => {
  assert.deepEqual(
    ['0', '600', '10m', '1h30m', '1.5s', '720h', '1d'].map(secondsOf),
    [0, 600, 600, 5400, 2, 2_592_000, 86_400],
  )
  for (const text of ['', '-1', 'soon', '1x', '99999999999', '90000000000h'])
    assert.throws(() => secondsOf(text), /Allowed: whole seconds/, text)
})

test('another() keeps what was given before', () => {
  assert.deepEqual(another('b', another('a')), ['a', 'b'])
})
