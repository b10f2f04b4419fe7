import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../../../src/telemetry/log.ts'
import { createSeldom } from '../../../src/telemetry/seldom.ts'
import { createManualClock } from '../../fakes/clock.ts'

const MINUTE_MS = 60_000

function setUp() {
  const clock = createManualClock()
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const seldom = createSeldom(createLog({ level: 'info', format: 'json', stream, clock }), clock)
  return { clock, lines, seldom }
}

test('createSeldom() writes a warning at once, and again after a minute with its newest fields and how often it came', async () => {
  const { clock, lines, seldom } = setUp()
  for (let time = 1; time <= 5; time++) seldom.warn('a', { n: time }, 'refused')
  assert.deepEqual(
    lines.map(({ n, times, level }) => [n, times, level]),
    [[1, undefined, 'warn']],
  )
  await clock.advance(MINUTE_MS)
  assert.deepEqual(
    lines.slice(1).map(({ n, times }) => [n, times]),
    [[5, 4]],
  )
  await clock.advance(10 * MINUTE_MS)
  assert.equal(lines.length, 2)
})

test('createSeldom() forgets what has not come for a minute: it is written at once again', async () => {
  const { clock, lines, seldom } = setUp()
  seldom.warn('a', {}, 'refused')
  await clock.advance(MINUTE_MS)
  assert.equal(clock.pending, 0)
  seldom.warn('a', {}, 'refused')
  assert.equal(lines.length, 2)
})

test('createSeldom() tells messages, levels and what they are about apart', () => {
  const { lines, seldom } = setUp()
  for (let round = 0; round < 3; round++) {
    seldom.warn('a', {}, 'refused')
    seldom.warn('b', {}, 'refused')
    seldom.warn('a', {}, 'rejected')
    seldom.error('a', {}, 'refused')
  }
  assert.deepEqual(
    lines.map(({ level, message }) => [level, message].join(' ')),
    ['warn refused', 'warn refused', 'warn rejected', 'error refused'],
  )
})

test('createSeldom() counts together what comes about too many things in one minute', async () => {
  const { clock, lines, seldom } = setUp()
  for (let stream = 0; stream < 10_000; stream++) seldom.warn({ stream }, { stream }, 'refused')
  assert.equal(lines.length, 100)
  assert(clock.pending <= 101)
  await clock.advance(MINUTE_MS)
  assert.deepEqual(
    lines.slice(100).map(({ others, times }) => [others, times]),
    [[true, 9_900]],
  )
})
