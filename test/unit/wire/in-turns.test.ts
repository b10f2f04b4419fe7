import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import {
  BatchCreateEntryRequestSchema,
  BatchDeleteEntryResponseSchema,
} from '#spire/api/server/entry/v1/entry_pb.js'
import { Encoded } from '../../../src/wire/service.ts'
import {
  Undecoded,
  decodeInTurns,
  decodedIfSmall,
  encodedInTurns,
} from '../../../src/wire/in-turns.ts'
import { turnsOf } from '../../fakes/turns.ts'

const LARGE = 65_536

const requests = fc.record({
  entries: fc.array(fc.record({ id: fc.string(), hint: fc.string(), admin: fc.boolean() }), {
    minLength: 400,
    maxLength: 1_200,
  }),
  outputMask: fc.option(fc.record({ hint: fc.boolean() }), { nil: undefined }),
})

test('a large message is decoded in turns to what it is at once', async () => {
  await fc.assert(
    fc.asyncProperty(requests, async ({ entries, outputMask }) => {
      const schema = BatchCreateEntryRequestSchema
      const request = create(schema, { entries, ...(outputMask && { outputMask }) })
      const bytes = toBinary(schema, request)
      const { value, turns } = await turnsOf(() => decodeInTurns(schema, new Undecoded(bytes)))
      assert.deepEqual(value, fromBinary(schema, bytes))
      assert.ok(turns >= Math.floor(entries.length / 250))
    }),
    { numRuns: 20 },
  )
})

test('what is small is decoded at once, and what is large later', () => {
  const schema = BatchCreateEntryRequestSchema
  const message = (hint: number) => create(schema, { entries: [{ hint: 'x'.repeat(hint) }] })
  const small = toBinary(schema, message(LARGE - 100))
  assert.deepEqual(decodedIfSmall(schema, small), message(LARGE - 100))
  assert.ok(decodedIfSmall(schema, toBinary(schema, message(LARGE))) instanceof Undecoded)
  assert.throws(() => decodedIfSmall(schema, Uint8Array.of(0x0a, 9)))
})

test('what is no such message, or holds more items than anybody asks for, is refused', async () => {
  const schema = BatchCreateEntryRequestSchema
  const bytes = toBinary(schema, create(schema, { entries: Array(1_000).fill({ id: 'e' }) }))
  for (const broken of [bytes.subarray(0, -1), Uint8Array.of(...bytes, 0x0a), Uint8Array.of(7)])
    await assert.rejects(decodeInTurns(schema, new Undecoded(broken)), { code: 'request_invalid' })
  // An empty entry each.
  const empty = new Uint8Array(2 * 100_001)
  for (let at = 0; at < empty.length; at += 2) empty[at] = 0x0a
  await assert.rejects(decodeInTurns(schema, new Undecoded(empty)), { code: 'limit_reached' })
  const most = await decodeInTurns(schema, new Undecoded(empty.subarray(2)))
  assert.equal(most.entries.length, 100_000)
})

test('a message with a long list is encoded in turns to the same, one without it is left as it is', async () => {
  const schema = BatchDeleteEntryResponseSchema
  const results = Array.from({ length: 1_001 }, (_, at) => ({ id: `e${at}`, status: { code: at } }))
  for (const init of [{ results }, create(schema, { results })]) {
    const { value, turns } = await turnsOf(() => encodedInTurns(schema, init))
    assert.ok(value instanceof Encoded)
    assert.deepEqual(fromBinary(schema, new Uint8Array(value.bytes)), create(schema, { results }))
    assert.ok(turns >= 5)
  }
  const short = { results: results.slice(0, 250) }
  assert.deepEqual(await encodedInTurns(schema, short), create(schema, short))
})
