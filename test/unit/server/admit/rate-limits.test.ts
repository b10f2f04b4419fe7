import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRateLimits } from '../../../../src/server/admit/rate-limits.ts'
import { createManualClock } from '../../../fakes/clock.ts'

test('take lets a second of them go at once, and those that follow one by one, in order', async () => {
  const clock = createManualClock()
  const limits = createRateLimits({ clock, perSecond: 10 })
  const gone: string[] = []
  const take = (name: string, count: number) =>
    limits.take('a', count).then(() => void gone.push(name))
  await take('first', 10)
  const rest = [take('second', 5), take('third', 1)]
  await limits.take('b', 10)
  await clock.advance(499)
  assert.deepEqual(gone, ['first'])
  await clock.advance(1)
  assert.deepEqual(gone, ['first', 'second'])
  await clock.advance(100)
  assert.deepEqual(gone, ['first', 'second', 'third'])
  await Promise.all(rest)
  await clock.advance(60_000)
  await take('later', 10)
  await assert.rejects(limits.take('a', 11), {
    code: 'limit_reached',
    message: 'rate (11) exceeds burst size (10)',
  })
})

test('take: the line has an end, and who is turned away has taken nothing', async () => {
  const clock = createManualClock()
  const limits = createRateLimits({ clock, perSecond: 10 })
  const waiting = Array.from({ length: 11 }, () => limits.take('a', 10))
  await assert.rejects(limits.take('a', 10), { code: 'limit_reached' })
  await clock.advance(10_000)
  await Promise.all(waiting)
  await clock.advance(1_000)
  await limits.take('a', 10)
  assert.equal(clock.pending, 0)
})

test('take: keys that have all their tokens are forgotten, others are not', async () => {
  const clock = createManualClock()
  const limits = createRateLimits({ clock, perSecond: 1 })
  for (let at = 0; at < 5000; at++) await limits.take(`early ${at}`, 1)
  await clock.advance(1_000)
  await limits.take('kept', 1)
  for (let at = 0; at < 5000; at++) await limits.take(`late ${at}`, 1)
  let went = false
  const waiting = limits.take('kept', 1).then(() => (went = true))
  await clock.advance(999)
  assert.equal(went, false)
  await clock.advance(1)
  await waiting
})
