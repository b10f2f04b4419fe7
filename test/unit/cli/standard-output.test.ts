import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Writable } from 'node:stream'
import { test } from 'node:test'
import { openStandardOutput } from '../../../src/cli/standard-output.ts'

test('openStandardOutput counts the writes that fail, and goes on with those that do not', async () => {
  const taken: string[] = []
  let isFull = true
  // A standard stream of a process takes writes after a fault, which others do not.
  const stream = Object.assign(new EventEmitter(), {
    write(text: string, done: (error?: Error) => void) {
      if (!isFull) taken.push(text)
      const fault = Object.assign(new Error('no space'), { code: 'ENOSPC' })
      queueMicrotask(() => done(isFull ? fault : undefined))
      return true
    },
  })
  const opened = openStandardOutput(stream as unknown as Writable)
  opened.write('lost\n')
  assert.equal(await opened.flushed(), 'ENOSPC')
  assert.equal(opened.failures, 1)
  isFull = false
  opened.write('there\n')
  await opened.flushed()
  assert.equal(taken.join(''), 'there\n')
  assert.equal(opened.failures, 1)
})
