import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SpindleError } from '../../../../../src/runtime/errors.ts'
import { answerPage } from '../../../../../src/server/serve/api/page.ts'
import type { PageSource } from '../../../../../src/server/serve/api/page.ts'

/** The numbers from 1 to `count`, in pages whose token is the last number; notes the limits it was asked for. */
function numbers(count: number, most: number): PageSource<number> & { readonly limits: number[] } {
  const limits: number[] = []
  return {
    most,
    limits,
    read: ({ limit, token }) => {
      assert.ok(limit >= 1 && limit <= most, `limit ${limit}`)
      if (token !== undefined && !/^[1-9]\d*$/.test(token))
        return Promise.reject(new SpindleError('request_invalid', 'no such token'))
      limits.push(limit)
      const first = Number(token ?? 0) + 1
      const last = Math.min(count, first + limit - 1)
      const items = Array.from({ length: Math.max(0, last - first + 1) }, (_, nth) => first + nth)
      return Promise.resolve({ items, ...(last < count && { next: String(last) }) })
    },
  }
}
const upTo = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, nth) => nth + 1)

test('answerPage gives a page and a token for the next, and none with the last', async () => {
  const source = numbers(5, 10)
  const first = await answerPage({ pageSize: 3, pageToken: '' }, source)
  assert.deepEqual(first, { items: [1, 2, 3], nextPageToken: '3' })
  const second = await answerPage({ pageSize: 2, pageToken: '3' }, source)
  assert.deepEqual(second, { items: [4, 5], nextPageToken: '' })
})

test('answerPage gives all that is left for size 0, with no token, however much it is', async () => {
  const source = numbers(25, 10)
  const all = await answerPage({ pageSize: 0, pageToken: '' }, source)
  assert.deepEqual(all, { items: upTo(25), nextPageToken: '' })
  assert.deepEqual(source.limits, [10, 10, 10])
  const rest = await answerPage({ pageSize: 0, pageToken: '21' }, source)
  assert.deepEqual(rest, { items: [22, 23, 24, 25], nextPageToken: '' })
  const none = await answerPage({ pageSize: 0, pageToken: '' }, numbers(0, 10))
  assert.deepEqual(none, { items: [], nextPageToken: '' })
})

test('answerPage cuts a size to what is read at once, and says that there is more', async () => {
  const page = await answerPage({ pageSize: 2 ** 31 - 1, pageToken: '' }, numbers(11, 10))
  assert.deepEqual(page, { items: upTo(10), nextPageToken: '10' })
})

test('answerPage refuses a size below 0, and passes on what is said of a token', async () => {
  const invalid = { code: 'request_invalid' }
  await assert.rejects(answerPage({ pageSize: -1, pageToken: '' }, numbers(1, 10)), invalid)
  await assert.rejects(answerPage({ pageSize: 1, pageToken: 'x' }, numbers(1, 10)), invalid)
  await assert.rejects(answerPage({ pageSize: 0, pageToken: 'x' }, numbers(1, 10)), invalid)
})

test('answerPage, for any sizes a client asks one after the other, leads through all items once and in order', async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(
      fc.nat(40),
      fc.integer({ min: 1, max: 10 }),
      sizes,
      async (count, most, ask) => {
        const source = numbers(count, most)
        const seen: number[] = []
        let pageToken = ''
        for (let asked = 0; asked <= count; asked += 1) {
          const pageSize = ask[asked % ask.length]!
          const page = await answerPage({ pageSize, pageToken }, source)
          assert.ok(pageSize === 0 || page.items.length <= pageSize)
          seen.push(...page.items)
          pageToken = page.nextPageToken
          if (pageToken === '') break
        }
        assert.equal(pageToken, '')
        assert.deepEqual(seen, upTo(count))
      },
    ),
  )
})
