import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MadeOf, makeMessage } from '../../../../../src/agent/serve/workload/message.ts'
import { X509BundlesResponseSchema } from '../../../../../src/gen/spiffe/workload/workload_pb.js'
import { collectGarbage } from '../../../../leaks.ts'

test('messages that say the same have the same version, and others another', () => {
  const message = (...bytes: number[]) =>
    makeMessage(
      X509BundlesResponseSchema,
      { bundles: { a: Buffer.from(bytes) } },
      { spiffeIds: [] },
    )
  assert.equal(message(1).version, message(1).version)
  assert.notEqual(message(1).version, message(2).version)
})

test('MadeOf makes a thing once of the same parts in the same order', () => {
  const made = new MadeOf<{ readonly n: number }>()
  const [a, b] = [{}, {}]
  let count = 0
  const of = (...parts: readonly object[]) => made.of(parts, () => ({ n: ++count }))
  const [one, two, three] = [of(a), of(a, b), of(b, a)]
  assert.deepEqual([one, two, three], [{ n: 1 }, { n: 2 }, { n: 3 }])
  assert.deepEqual([of(a), of(a, b), of(b, a)], [one, two, three])
  assert.equal(count, 3)
})

test('MadeOf keeps nothing of a part that is used no more, though the others are', async () => {
  const made = new MadeOf<object>()
  const stays = {}
  const things = Array.from({ length: 20 }, () => {
    const goes = {}
    const orders = [
      [stays, goes],
      [goes, stays],
    ]
    return orders.map((parts) => new WeakRef(made.of(parts, () => ({ of: [stays] }))))
  }).flat()
  // What a WeakRef was made of lives until the turn ends.
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  const left = things.filter((thing) => thing.deref() !== undefined).length
  assert(left <= 2, `${left} of ${things.length} are left`)
})
