import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSlices } from '../../../src/runtime/slices.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('Slices: runs so many a turn, in the order they were added, each once', async () => {
  const runs: number[] = []
  const slices = createSlices<number>(2, (item) => runs.push(item))
  for (const item of [1, 2, 3, 2, 1, 4, 5]) slices.add(item)
  assert.deepEqual(runs, [])
  assert.equal(slices.waiting, 5)
  await turn()
  assert.deepEqual(runs, [1, 2])
  await turn()
  assert.deepEqual(runs, [1, 2, 3, 4])
  await turn()
  assert.deepEqual(runs, [1, 2, 3, 4, 5])
  assert.equal(slices.waiting, 0)
})

test('Slices.drop: what is dropped before its turn is not run', async () => {
  const runs: string[] = []
  const slices = createSlices<string>(5, (item) => runs.push(item))
  slices.add('a')
  slices.add('b')
  slices.drop('a')
  await turn()
  assert.deepEqual(runs, ['b'])
})

test('Slices.add: an item may be added again from its own run', async () => {
  let runs = 0
  const slices = createSlices<string>(5, (item) => {
    if (++runs < 3) slices.add(item)
  })
  slices.add('a')
  for (let each = 0; each < 5; each++) await turn()
  assert.equal(runs, 3)
})
