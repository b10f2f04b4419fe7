import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  activated,
  activationInstant,
  prepareInstant,
  publishDelay,
  rotate,
  successorOf,
} from '../../../../src/authority/slots/rotation.ts'
import type { RotatingSlot } from '../../../../src/authority/slots/rotation.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const UNBOUNDED = { furthest: Infinity }

const slot = (more: Partial<RotatingSlot> = {}): RotatingSlot => ({
  authorityId: 'a',
  status: 'active',
  notBefore: 0,
  notAfter: DAY,
  publishedAt: 0,
  ...more,
})
const next = (more: Partial<RotatingSlot> = {}): RotatingSlot =>
  slot({
    authorityId: 'b',
    status: 'prepared',
    notBefore: 12 * HOUR,
    notAfter: 36 * HOUR,
    publishedAt: 12 * HOUR,
    ...more,
  })

const kinds = (slots: readonly RotatingSlot[], now: number, furthest = Infinity): string[] =>
  rotate(slots, now, { furthest }).actions.map((action) =>
    action.kind === 'prepare' ? 'prepare' : `${action.kind} ${action.authorityId}`,
  )

test('rotate: a first start prepares one and activates it at once', () => {
  assert.deepEqual(kinds([], 0), ['prepare'])
  assert.deepEqual(kinds([next()], 12 * HOUR), ['activate b'])
})

test('rotate: prepares at half of the life, and 30 days before the end of a long one', () => {
  assert.deepEqual(rotate([slot()], 12 * HOUR - 1, UNBOUNDED), { actions: [], lookAt: 12 * HOUR })
  assert.deepEqual(kinds([slot()], 12 * HOUR), ['prepare'])
  assert.equal(prepareInstant(slot({ notAfter: 365 * DAY })), 335 * DAY)
})

test('rotate: activates a sixth of the life before the end, and 7 days before the end of a long one', () => {
  assert.deepEqual(rotate([slot(), next()], 20 * HOUR - 1, UNBOUNDED), {
    actions: [],
    lookAt: 20 * HOUR,
  })
  assert.deepEqual(kinds([slot(), next()], 20 * HOUR), ['activate b'])
  const long = slot({ notAfter: 365 * DAY })
  const at = activationInstant(long, next({ notAfter: 700 * DAY }), { now: 340 * DAY })
  assert.equal(at, 358 * DAY)
})

test('rotate: where readers of the bundle ask for it seldom, a successor waits for as long as they take', () => {
  const late = [slot(), next({ publishedAt: 18 * HOUR })]
  const { actions, lookAt } = rotate(late, 20 * HOUR, { ...UNBOUNDED, publishMs: 3 * HOUR })
  assert.deepEqual([actions, lookAt], [[], 21 * HOUR])
  assert.deepEqual(kinds(late, 20 * HOUR), ['activate b'])
})

test('rotate: a successor published late waits out its publish delay', () => {
  const late = next({ publishedAt: 21 * HOUR })
  assert.equal(publishDelay(late), 5 * 60_000)
  assert.deepEqual(kinds([slot(), late], 21 * HOUR + 5 * 60_000 - 1), [])
  assert.deepEqual(kinds([slot(), late], 21 * HOUR + 5 * 60_000), ['activate b'])
})

test('rotate: a successor that could not be stored waits until the active one is nearly over', () => {
  const unstored = next({ publishedAt: undefined })
  assert.deepEqual(kinds([slot(), unstored], 22 * HOUR - 1), [])
  assert.deepEqual(kinds([slot(), unstored], 22 * HOUR), ['activate b'])
})

test('rotate: when the active one is nearly over or expired, the next signs without delay', () => {
  for (const now of [22 * HOUR, DAY, 3 * DAY]) {
    const fresh = next({ notBefore: now, notAfter: now + DAY, publishedAt: now })
    assert.deepEqual(kinds([slot()], now), ['prepare'], String(now))
    assert.deepEqual(kinds([slot(), fresh], now), ['activate b'], String(now))
  }
})

test('rotate: an active one from the future (the clock went back) is replaced at once', () => {
  const future = slot({ notBefore: 10 * DAY, notAfter: 11 * DAY })
  assert.deepEqual(kinds([future], 0), ['prepare'])
})

test('rotate: where others verify what it signs, one that was not published never signs', () => {
  const limits = { ...UNBOUNDED, publishedFirst: true }
  const unpublished = next({ publishedAt: undefined })
  for (const now of [20 * HOUR, 23.9 * HOUR, 25 * HOUR])
    assert.deepEqual(rotate([slot(), unpublished], now, limits).actions, [])
  assert.deepEqual(rotate([unpublished], 25 * HOUR, limits).actions, [])
})

test('rotate: where others verify what it signs, one from the future is replaced once its successor was published for long enough', () => {
  const limits = { ...UNBOUNDED, publishedFirst: true }
  const [active, now] = [slot({ notBefore: 13 * HOUR, notAfter: 37 * HOUR }), 12.5 * HOUR]
  assert.deepEqual(rotate([active], now, limits).actions, [{ kind: 'prepare' }])
  const late = next({ publishedAt: now })
  const { actions, lookAt } = rotate([active, late], now, limits)
  assert.deepEqual([actions, lookAt], [[], now + 5 * 60_000])
  const then = rotate([active, late], lookAt, limits)
  assert.deepEqual(then.actions, [{ kind: 'activate', authorityId: 'b' }])
})

test('rotate: a prepared one that is not valid now is dropped and another prepared', () => {
  const future = next({ notBefore: 10 * DAY, notAfter: 11 * DAY })
  assert.deepEqual(kinds([slot(), future], 13 * HOUR), ['prune b', 'prepare'])
  assert.deepEqual(kinds([slot(), next()], 40 * HOUR), ['prune b', 'prepare'])
})

test('rotate: an old one is kept past its end for its life again, at most a day', () => {
  const now = slot({ authorityId: 'now', notBefore: 0, notAfter: 100 * DAY })
  const short = slot({ authorityId: 'short', status: 'old', notAfter: HOUR })
  assert.deepEqual(kinds([short, now], 2 * HOUR - 1), [])
  assert.deepEqual(kinds([short, now], 2 * HOUR), ['prune short'])
  const long = slot({ authorityId: 'long', status: 'old', notAfter: 10 * DAY })
  assert.deepEqual(rotate([long, now], 11 * DAY - 1, UNBOUNDED), { actions: [], lookAt: 11 * DAY })
  assert.deepEqual(kinds([long, now], 11 * DAY), ['prune long'])
})

test('rotate: prepares nothing that would not outlast the active one', () => {
  assert.deepEqual(kinds([slot()], 23 * HOUR, DAY), [])
  assert.deepEqual(kinds([slot()], 23 * HOUR, DAY + 1), ['prepare'])
  assert.deepEqual(kinds([slot()], DAY, DAY), ['prepare'], 'an expired one is replaced in any case')
})

test('rotate: a superseded active one is replaced as soon as its successor was published for long enough', () => {
  const superseded = slot({ superseded: true })
  assert.deepEqual(kinds([superseded], HOUR), ['prepare'])
  const successor = next({ notBefore: HOUR, publishedAt: HOUR })
  assert.deepEqual(kinds([superseded, successor], HOUR + 5 * 60_000 - 1), [])
  assert.deepEqual(kinds([superseded, successor], HOUR + 5 * 60_000), ['activate b'])
})

test('successorOf: of several prepared ones the valid one that ends last', () => {
  const slots = [
    next(),
    next({ authorityId: 'c', notAfter: 40 * HOUR }),
    next({ authorityId: 'd', notBefore: 90 * HOUR, notAfter: 99 * HOUR }),
  ]
  assert.equal(successorOf(slots, 13 * HOUR)?.authorityId, 'c')
})

test('activated: leaves exactly one active, the one before is old', () => {
  const after = activated([slot(), next()], 'b')
  assert.deepEqual(
    after.map((each) => each.status),
    ['old', 'active'],
  )
})
