/** R08: the wall clock jumps by an hour or a month, or runs at another speed than time does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR, MINUTE } from '../unit/agent/obtain/setting.ts'
import { inTime } from './in-time.ts'

const DAY = 24 * HOUR
/** The clock is looked at this often. */
const LOOK_MS = 10_000

const JUMPS = [
  ['+1 h', HOUR],
  ['-1 h', -HOUR],
  ['+30 d', 30 * DAY],
  ['-30 d', -30 * DAY],
  ['+1 min', MINUTE],
  ['-1 min', -MINUTE],
] as const

test('R08: after each jump what is served is valid, by the clock as it stands, as soon as it is looked at', async (t) => {
  const made = await inTime(t, 5)
  const { clock, served, stream } = made
  for (const [name, ms] of JUMPS) {
    await made.pass(5 * MINUTE)
    const before = served.events.length
    clock.jump(ms)
    // Before any timer fires already.
    for (const { svid } of served.identities.current()) assert(clock.now() < svid.notAfter, name)
    await made.pass(LOOK_MS, 1_000)
    await made.arrived()
    const told = served.events.slice(before).find(({ kind }) => kind === 'clock_jumped')
    assert(told?.kind === 'clock_jumped' && told.byMs === ms, name)
    assert.equal(stream.ended, undefined, name)
    await made.pass(HOUR)
    await made.arrived()
  }
})

for (const [name, driftMs] of [
  ['twice as fast', 1_000],
  ['half as fast', -500],
] as const)
  test(`R08: while the wall clock runs ${name} as time, nothing expires while it is served`, async (t) => {
    const made = await inTime(t, 5)
    const { clock, served, stream } = made
    for (let second = 0; second < 2 * 3_600; second++) {
      await clock.advance(1_000)
      clock.jump(driftMs)
      assert.equal(served.identities.current().length, 5, `after ${second} s`)
    }
    await made.pass(LOOK_MS, 1_000)
    await made.arrived()
    assert.equal(stream.ended, undefined)
    assert.equal(served.events.filter(({ kind }) => kind === 'expired').length, 0)
    assert(served.events.filter(({ kind }) => kind === 'issued').length >= 10, 'all were renewed')
  })
