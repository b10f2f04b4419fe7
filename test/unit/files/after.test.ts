import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAfter } from '../../../src/files/after.ts'
import type { After } from '../../../src/files/after.ts'
import { createManualClock, settle } from '../../fakes/clock.ts'
import type { ManualClock } from '../../fakes/clock.ts'
import { createSeededRandom } from '../../fakes/random.ts'
import { createLines, fault } from './setting.ts'

interface Setting {
  readonly after: After
  readonly clock: ManualClock
  readonly lines: string[]
  /** Runs that began. */
  readonly runs: () => number
  /** Ends the one that is under way. */
  finish(failed?: boolean): Promise<void>
  readonly aborted: () => boolean
}

function setting(debounceMs = 1_000): Setting {
  const clock = createManualClock()
  const { log, lines } = createLines(clock)
  let runs = 0
  let aborted = false
  let end: ((failed: boolean) => void) | undefined
  const act = (signal: AbortSignal): Promise<void> => {
    assert.equal(end, undefined, 'never two at a time')
    runs += 1
    return new Promise((resolve, reject) => {
      end = (failed) => {
        end = undefined
        if (failed) reject(fault('after_failed', 'exit code 1'))
        else resolve()
      }
      signal.addEventListener('abort', () => {
        aborted = true
        end?.(true)
      })
    })
  }
  const random = createSeededRandom('after')
  return {
    after: createAfter({ act, debounceMs, clock, random, log }),
    clock,
    lines,
    runs: () => runs,
    async finish(failed = false) {
      end?.(failed)
      await settle()
    },
    aborted: () => aborted,
  }
}

test('changes that come together are told together, and a stream of them does not put it off', async () => {
  const { after, clock, runs, finish } = setting()
  for (let ms = 0; ms < 900; ms += 100) {
    after.changed()
    await clock.advance(100)
  }
  assert.equal(runs(), 0)
  await clock.advance(100)
  assert.equal(runs(), 1)
  await finish()
  await clock.advance(3_600_000)
  assert.equal(runs(), 1)
})

test('what changes while it runs is told by one more run, after it', async () => {
  const { after, clock, runs, finish } = setting()
  after.changed()
  await clock.advance(1_000)
  after.changed()
  after.changed()
  await clock.advance(60_000)
  assert.equal(runs(), 1)
  await finish()
  await clock.advance(1_000)
  assert.equal(runs(), 2)
  await finish()
  await clock.advance(3_600_000)
  assert.equal(runs(), 2)
})

test('a run that fails is tried again, more and more seldom, and at once with the next change', async () => {
  const { after, clock, runs, lines, finish } = setting()
  after.changed()
  await clock.advance(1_000)
  const waits: number[] = []
  for (let attempt = 1; attempt < 10; attempt++) {
    await finish(true)
    const failedAt = clock.monotonic()
    while (runs() === attempt) await clock.advance(100)
    waits.push(clock.monotonic() - failedAt)
  }
  assert(waits[0]! >= 2_500 && waits[0]! <= 5_100, `${waits[0]}`)
  assert(waits.at(-1)! >= 150_000 && waits.at(-1)! <= 300_100, `${waits.at(-1)}`)
  await finish(true)
  after.changed()
  await clock.advance(1_000)
  assert.equal(runs(), 11)
  await finish()
  await clock.advance(3_600_000)
  assert.equal(runs(), 11)
  assert.equal(lines.length, 10)
  assert.match(lines[0]!, /^error .* failed, and is tried again$/)
})

test('close() does what is still to be done, and nothing more', async () => {
  const { after, clock, runs, finish } = setting()
  after.changed()
  const closed = after.close()
  await settle()
  assert.equal(runs(), 1)
  await finish()
  await closed
  assert.equal(clock.pending, 0)
})

test('close() lets a run finish and does the one that waits for it; it ends what takes longer', async () => {
  const { after, clock, runs, finish, aborted, lines } = setting()
  after.changed()
  await clock.advance(1_000)
  after.changed()
  const closed = after.close()
  await finish()
  assert.equal(runs(), 2)
  await clock.advance(9_000)
  assert.equal(aborted(), false)
  await clock.advance(1_000)
  assert.equal(aborted(), true)
  await closed
  assert.deepEqual(lines, ['error what is to be done after a change failed'])
  assert.equal(clock.pending, 0)
})

test('close() does not wait for a retry', async () => {
  const { after, clock, runs, finish } = setting()
  after.changed()
  await clock.advance(1_000)
  await finish(true)
  await after.close()
  assert.equal(runs(), 1)
  assert.equal(clock.pending, 0)
})
