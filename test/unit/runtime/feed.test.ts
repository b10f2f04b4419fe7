import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFeed } from '../../../src/runtime/feed.ts'

test('Feed.subscribe: hears each change with the value before, and not the current value', () => {
  const feed = createFeed('a')
  const heard: string[] = []
  feed.subscribe((value, before) => heard.push(`${before}>${value}`))
  assert.deepEqual(heard, [])
  feed.set('b')
  feed.set('c')
  assert.deepEqual(heard, ['a>b', 'b>c'])
  assert.equal(feed.current, 'c')
})

test('Feed.set: an identical value is no change', () => {
  const value = { n: 1 }
  const feed = createFeed(value)
  let calls = 0
  feed.subscribe(() => calls++)
  feed.set(value)
  assert.equal(calls, 0)
  feed.set({ n: 1 })
  assert.equal(calls, 1)
})

test('Feed.subscribe: listeners are called in the order they subscribed', () => {
  const feed = createFeed(0)
  const order: string[] = []
  for (const name of ['first', 'second', 'third']) feed.subscribe(() => order.push(name))
  feed.set(1)
  assert.deepEqual(order, ['first', 'second', 'third'])
})

test('Feed.subscribe: the same function subscribed twice is two subscriptions', () => {
  const feed = createFeed(0)
  let calls = 0
  const listen = (): void => void calls++
  const stop = feed.subscribe(listen)
  feed.subscribe(listen)
  stop()
  feed.set(1)
  assert.equal(calls, 1)
})

test('Feed.set: a listener that unsubscribes another during a change silences it at once', () => {
  const feed = createFeed(0)
  const heard: string[] = []
  feed.subscribe(() => stop())
  const stop = feed.subscribe(() => heard.push('second'))
  feed.set(1)
  assert.deepEqual(heard, [])
})

test('Feed.set: a listener that subscribes another during a change does not make it hear that change', () => {
  const feed = createFeed(0)
  const heard: number[] = []
  const stop = feed.subscribe(() => {
    stop()
    feed.subscribe((value) => heard.push(value))
  })
  feed.set(1)
  assert.deepEqual(heard, [])
  feed.set(2)
  assert.deepEqual(heard, [2])
})
