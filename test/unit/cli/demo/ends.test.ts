import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEnds } from '../../../../src/cli/demo/ends.ts'

test('run() ends everything once, though one of them fails, and waits for the slowest', async () => {
  const ends = createEnds()
  const ended: string[] = []
  let finish = (): void => undefined
  ends.add(async () => {
    await new Promise<void>((resolve) => (finish = resolve))
    ended.push('slow')
  })
  ends.add(async () => {
    throw new Error('gone before')
  })
  ends.add(async () => void ended.push('quick'))
  const first = ends.run()
  const second = ends.run()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(ended, ['quick'])
  finish()
  await Promise.all([first, second])
  assert.deepEqual(ended, ['quick', 'slow'])
})

test('what is added after run() is ended at once, and the next run() waits for it', async () => {
  const ends = createEnds()
  await ends.run()
  let ended = false
  ends.add(async () => {
    await new Promise((resolve) => setImmediate(resolve))
    ended = true
  })
  await ends.run()
  assert.equal(ended, true)
})
