import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBatches } from '../../../../../../src/agent/obtain/server/sign/batches.ts'
import { SpindleError } from '../../../../../../src/runtime/errors.ts'
import { settle } from '../../../../../fakes/clock.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at)
const tooMuch = new SpindleError('authority_unavailable', 'too much')
const away = new SpindleError('unreachable', 'away')

function setUp(
  send?: (items: readonly number[]) => Promise<readonly (number | SpindleError)[]>,
  least = 1,
) {
  const calls: number[] = []
  let inFlight = 0
  let most = 0
  const batches = createBatches<number, number>({
    most: 8,
    least,
    callsAtATime: 2,
    mayBeSize: (thrown) => thrown === tooMuch,
    async send(items) {
      calls.push(items.length)
      most = Math.max(most, (inFlight += 1))
      try {
        await settle(1)
        return await (send?.(items) ?? items.map((item) => item * 2))
      } finally {
        inFlight -= 1
      }
    },
  })
  return { batches, calls, most: () => most }
}

test('what is asked for in one turn goes in as few calls as may be, and few at a time', async () => {
  const { batches, calls, most } = setUp()
  const outcomes = await Promise.all(numbers(20).map((item) => batches.add(item)))
  assert.deepEqual(
    outcomes,
    numbers(20).map((item) => item * 2),
  )
  assert.deepEqual(calls, [8, 8, 4])
  assert.equal(most(), 2)
})

test('what is said of one item is for that one alone', async () => {
  const { batches } = setUp(async (items) => items.map((item) => (item === 1 ? away : item)))
  const outcomes = await Promise.allSettled(numbers(3).map((item) => batches.add(item)))
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

test('a call that was too much is halved until it goes through, and grows again', async () => {
  const { batches, calls } = setUp(async (items) => {
    if (items.length > 2) throw tooMuch
    return items
  })
  await Promise.all(numbers(8).map((item) => batches.add(item)))
  assert.deepEqual(calls.slice(0, 4), [8, 4, 4, 2])
  assert.ok(calls.slice(3).every((size) => size <= 4))
})

test('a single item that is too much fails, and so does all where nobody is there', async () => {
  const alone = setUp(() => Promise.reject(tooMuch))
  await assert.rejects(alone.batches.add(1), tooMuch)
  const nobody = setUp(() => Promise.reject(away))
  const outcomes = await Promise.allSettled(numbers(3).map((item) => nobody.batches.add(item)))
  assert.ok(outcomes.every(({ status }) => status === 'rejected'))
  assert.deepEqual(nobody.calls, [3])
})

test('a server that bears nothing is not asked again and again, in ever smaller parts', async () => {
  const { batches, calls } = setUp(() => Promise.reject(tooMuch), 4)
  const outcomes = await Promise.allSettled(numbers(16).map((item) => batches.add(item)))
  assert.ok(outcomes.every(({ status }) => status === 'rejected'))
  assert.deepEqual(
    calls.filter((size) => size < 4),
    [],
  )
})

test('an answer of another length is an answer to none', async () => {
  const { batches } = setUp(async () => [])
  await assert.rejects(batches.add(1), { code: 'authority_unavailable' })
})

test('what waits when it closes is rejected', async () => {
  const { batches, calls } = setUp()
  const waiting = batches.add(1)
  batches.close(away)
  await assert.rejects(waiting, away)
  await settle()
  assert.deepEqual(calls, [])
})
