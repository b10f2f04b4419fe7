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

test('take: who leaves the line takes nothing, and those behind move up', async () => {
  const clock = createManualClock()
  const limits = createRateLimits({ clock, perSecond: 10 })
  await limits.take('a', 10)
  const gone: string[] = []
  const leaving = new AbortController()
  const left = assert.rejects(limits.take('a', 10, leaving.signal), { message: 'the client left' })
  const rest = ['second', 'third'].map((name) =>
    limits.take('a', 5).then(() => void gone.push(name)),
  )
  await clock.advance(300)
  leaving.abort(new Error('the client left'))
  await left
  assert.equal(clock.pending, 1)
  await clock.advance(199)
  assert.deepEqual(gone, [])
  await clock.advance(1)
  assert.deepEqual(gone, ['second'])
  await clock.advance(500)
  assert.deepEqual(gone, ['second', 'third'])
  await Promise.all(rest)
  assert.equal(clock.pending, 0)
  // All that is left of it is what the others took.
  await clock.advance(1_000)
  await limits.take('a', 10)
})

test('take: a signal that is aborted already, or after it was its turn, changes nothing', async () => {
  const clock = createManualClock()
  const limits = createRateLimits({ clock, perSecond: 2 })
  await assert.rejects(limits.take('a', 1, AbortSignal.abort(new Error('gone'))), {
    message: 'gone',
  })
  const late = new AbortController()
  await limits.take('a', 2, late.signal)
  const waited = new AbortController()
  const waiting = limits.take('a', 1, waited.signal)
  await clock.advance(500)
  await waiting
  for (const { abort } of [late, waited].map((each) => ({ abort: () => each.abort() }))) abort()
  let went = false
  const next = limits.take('a', 1).then(() => (went = true))
  await clock.advance(499)
  assert.equal(went, false)
  await clock.advance(1)
  await next
})

test('take: the whole line may leave, and it is as if it had never been there', async () => {
  const clock = createManualClock()
  const limits = createRateLimits({ clock, perSecond: 10 })
  const leaving = new AbortController()
  const waiting = Array.from({ length: 110 }, () => limits.take('a', 1, leaving.signal))
  const ends = Promise.allSettled(waiting)
  await assert.rejects(limits.take('a', 1), { code: 'limit_reached' })
  leaving.abort()
  const fulfilled = (await ends).filter(({ status }) => status === 'fulfilled')
  assert.equal(fulfilled.length, 10)
  assert.equal(clock.pending, 0)
  await clock.advance(1_000)
  await limits.take('a', 10)
})

test('take: each of 200,000 addresses has its turn at once, in time that does not grow with their number', async () => {
  const clock = createManualClock()
  const limits = createRateLimits({ clock, perSecond: 1 })
  const waiting = limits.take('in line', 1).then(() => limits.take('in line', 1))
  const begun = process.cpuUsage()
  for (let at = 0; at < 200_000; at++) await limits.take(`address ${at}`, 1)
  const { user } = process.cpuUsage(begun)
  assert(user < 20_000_000, `${user} µs`)
  // Who waits in line is not forgotten.
  let went = false
  const second = waiting.then(() => (went = true))
  await clock.advance(999)
  assert.equal(went, false)
  await clock.advance(1)
  await second
})
