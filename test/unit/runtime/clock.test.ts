import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../src/runtime/clock.ts'

const LONGEST_NODE_TIMER = 2 ** 31 - 1

test('systemClock.after: runs once, after the delay', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let runs = 0
  systemClock.after(500, () => runs++)
  t.mock.timers.tick(499)
  assert.equal(runs, 0)
  t.mock.timers.tick(1)
  t.mock.timers.tick(10_000)
  assert.equal(runs, 1)
})

test('systemClock.after: a wait longer than Node can time is waited in full', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let runs = 0
  systemClock.after(LONGEST_NODE_TIMER * 2 + 5, () => runs++)
  t.mock.timers.tick(LONGEST_NODE_TIMER)
  t.mock.timers.tick(LONGEST_NODE_TIMER)
  assert.equal(runs, 0)
  t.mock.timers.tick(5)
  assert.equal(runs, 1)
})

test('systemClock.after: cancel stops it, also in the second part of a long wait', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let runs = 0
  const short = systemClock.after(10, () => runs++)
  const long = systemClock.after(LONGEST_NODE_TIMER + 10, () => runs++)
  short.cancel()
  t.mock.timers.tick(LONGEST_NODE_TIMER)
  long.cancel()
  t.mock.timers.tick(1_000)
  assert.equal(runs, 0)
})

test('systemClock.after: a negative delay runs soon instead of failing', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let runs = 0
  systemClock.after(-5, () => runs++)
  t.mock.timers.tick(0)
  t.mock.timers.tick(1)
  assert.equal(runs, 1)
})

test('systemClock: now is the wall clock and monotonic never goes back', () => {
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 1_000)
  const readings = Array.from({ length: 100 }, () => systemClock.monotonic())
  assert.deepEqual(
    readings,
    readings.toSorted((a, b) => a - b),
  )
})
