import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Index } from '../../../src/registration/set-index.ts'

test('Index keeps a set a key, whether of none, one or several, each member once', () => {
  const index = new Index<string, number>()
  const shows = (members: readonly number[]): void => {
    assert.deepEqual(Array.from(index.of('k')), members)
    assert.equal(index.count('k'), members.length)
    assert.equal(index.has('k'), members.length > 0)
  }
  shows([])
  index.delete('k', 1)
  index.add('k', 1)
  index.add('k', 1)
  shows([1])
  index.delete('k', 2)
  shows([1])
  index.add('k', 2)
  index.add('k', 3)
  index.add('k', 2)
  shows([1, 2, 3])
  index.delete('k', 1)
  index.delete('k', 4)
  shows([2, 3])
  index.delete('k', 2)
  shows([3])
  index.delete('k', 3)
  shows([])
  index.add('k', 1)
  index.delete('k', 1)
  shows([])
  assert.deepEqual(Array.from(index.of('other')), [])
})
