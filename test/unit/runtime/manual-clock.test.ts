import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../fakes/clock.ts'

test('ManualClock.advance: fires timers in the order they are due, each at its own instant', async () => {
  const clock = createManualClock({ now: 1_000 })
  const fired: string[] = []
  const at = (name: string) => (): void => void fired.push(`${name}@${clock.now()}`)
  clock.after(30, at('c'))
  clock.after(10, at('a'))
  clock.after(10, at('b'))
  clock.after(31, at('late'))
  await clock.advance(30)
  assert.deepEqual(fired, ['a@1010', 'b@1010', 'c@1030'])
  assert.equal(clock.pending, 1)
})

test('ManualClock.advance: a timer set by a promise of an earlier timer fires in the same advance', async () => {
  const clock = createManualClock({ now: 0 })
  const fired: number[] = []
  clock.after(10, () => {
    void Promise.resolve().then(() => clock.after(10, () => fired.push(clock.now())))
  })
  await clock.advance(100)
  assert.deepEqual(fired, [20])
})

test('ManualClock.jump: moves the wall clock alone and fires nothing', async () => {
  const clock = createManualClock({ now: 0 })
  let fired = 0
  clock.after(50, () => fired++)
  clock.jump(1_000)
  assert.equal(clock.now(), 1_000)
  assert.equal(clock.monotonic(), 0)
  await clock.advance(49)
  assert.equal(fired, 0)
  await clock.advance(1)
  assert.equal(fired, 1)
})
