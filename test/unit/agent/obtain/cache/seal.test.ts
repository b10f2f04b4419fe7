import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seal, unseal } from '../../../../../src/agent/obtain/cache/seal.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'

const random = createSeededRandom('seal')
const key = random.bytes(32)
const value = { bytes: Buffer.from('secret key'), map: new Map([['a', 7n]]), none: undefined }

test('unseal() gives what seal() was given, and its text shows nothing of it', () => {
  const text = seal(value, { key, name: 'node', random })
  assert.deepEqual(unseal(text, { key, name: 'node' }), value)
  const bytes = Buffer.from(text.split('\n')[1] ?? '', 'base64')
  assert(!bytes.includes('secret'))
  assert.notEqual(seal(value, { key, name: 'node', random }), text)
})

test('unseal() refuses text of which any bit is another or any part is missing, and says nothing of what is in it', () => {
  const text = seal(value, { key, name: 'node', random })
  const bytes = Buffer.from(text)
  const tried: Buffer[] = []
  for (let at = 0; at < bytes.length; at++)
    for (const bit of [0, 3, 7]) {
      const flipped = Buffer.from(bytes)
      flipped[at] = flipped[at]! ^ (1 << bit)
      tried.push(flipped)
    }
  for (let length = 0; length < bytes.length; length += 3) tried.push(bytes.subarray(0, length))
  tried.push(Buffer.concat([bytes, bytes]), Buffer.alloc(bytes.length))
  let refused = 0
  for (const other of tried) {
    let read: unknown
    try {
      read = unseal(other.toString('latin1'), { key, name: 'node' })
    } catch (thrown) {
      assert.match(String(thrown), /^Error: it (?:is cut off|does not open)/)
      refused++
      continue
    }
    // Base64 has several ways to write some bits: the same bytes were read.
    assert.deepEqual(read, value)
  }
  assert(refused > tried.length * 0.98, `${refused} of ${tried.length}`)
})

test('unseal() refuses another key, and what was sealed as something else', () => {
  const text = seal(value, { key, name: 'node', random })
  assert.throws(() => unseal(text, { key: random.bytes(32), name: 'node' }), /does not open/)
  assert.throws(() => unseal(text, { key, name: 'identities' }), /does not open/)
})
