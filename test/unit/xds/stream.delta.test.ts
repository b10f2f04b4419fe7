import assert from 'node:assert/strict'
import test from 'node:test'
import { delta, nack } from './client.ts'
import { resource, viewOf } from './view.ts'

test('stepDelta counts the names of a stream, not of a message', () => {
  const stream = delta(viewOf({}), 2)
  assert.equal(stream.say({ subscribe: ['a', 'b'] }).end, undefined)
  assert.equal(stream.say({ subscribe: ['a'] }).end, undefined)
  assert.equal(stream.say({ subscribe: ['c'] }).end?.code, 'limit_reached')
  assert.equal(stream.say({ subscribe: ['c'], unsubscribe: ['a'] }).end, undefined)
})

test('stepDelta does not count the names of a wildcard', () => {
  const stream = delta(viewOf({ a: 'v1', b: 'v1', c: 'v1' }), 2)
  const steps = [stream.say({}), ...['n1', 'n2', 'n3'].map((n) => stream.say({ responseNonce: n }))]
  assert.deepEqual(
    steps.map(({ sent }) => sent?.resources[0]?.name),
    ['a', 'b', 'c', undefined],
  )
  assert.ok(steps.every(({ end }) => end === undefined))
})

test('stepDelta says at once that a name is absent, once, and pushes it when it is granted', () => {
  const stream = delta(viewOf({ b: 'v1' }))
  assert.deepEqual(stream.say({ subscribe: ['a'] }).said, ['a'])
  assert.equal(stream.say({ responseNonce: 'n1' }).sent, undefined)
  assert.equal(stream.change(viewOf({ b: 'v2' })).sent, undefined)
  assert.equal(stream.change(viewOf({ a: 'pending' })).sent, undefined)
  assert.deepEqual(stream.change(viewOf({ a: 'v1' })).sent, {
    nonce: 'n2',
    systemVersion: 'v1',
    resources: [resource('a', 'v1')],
    removed: [],
  })
})

test('stepDelta removes a name that had a value once, and sends it again when it comes back equal', () => {
  const stream = delta(viewOf({ a: 'v1' }))
  stream.say({ subscribe: ['a'] })
  stream.say({ responseNonce: 'n1' })
  assert.equal(stream.change(viewOf({ a: 'pending' })).sent, undefined)
  assert.deepEqual(stream.change(viewOf({})).said, ['a'])
  stream.say({ responseNonce: 'n2' })
  assert.equal(stream.change(viewOf({})).sent, undefined)
  assert.deepEqual(stream.change(viewOf({ a: 'v1' })).said, ['v1'])
})

test('stepDelta sends one secret a response, removals together and first', () => {
  const stream = delta(viewOf({ a: 'v1', c: 'v3' }))
  assert.deepEqual(stream.say({ subscribe: ['a', 'b', 'c', 'd'] }).said, ['b', 'd'])
  assert.deepEqual(stream.say({ responseNonce: 'n1' }).said, ['v1'])
  assert.deepEqual(stream.say({ responseNonce: 'n2' }).said, ['v3'])
  assert.equal(stream.say({ responseNonce: 'n3' }).sent, undefined)
})

test('stepDelta serves the name that has waited longest', () => {
  const stream = delta(viewOf({ a: 'v1', b: 'v1' }))
  stream.say({ subscribe: ['a', 'b'] })
  stream.change(viewOf({ a: 'v2', b: 'v1' }))
  assert.equal(stream.say({ responseNonce: 'n1' }).sent?.resources[0]?.name, 'b')
})

test('stepDelta does not believe what a reconnecting client says it holds', () => {
  const stream = delta(viewOf({ a: 'v1' }))
  const first = stream.say({ subscribe: ['a'], initialResourceVersions: { a: 'v1' } })
  assert.deepEqual(first.said, ['v1'])
})

test('stepDelta sends again what is subscribed again, unless it was rejected', () => {
  const stream = delta(viewOf({ a: 'v1' }))
  stream.say({ subscribe: ['a'] })
  stream.say({ responseNonce: 'n1' })
  assert.deepEqual(stream.say({ subscribe: ['a'] }).said, ['v1'])
  stream.say({ responseNonce: 'n2', error: nack })
  assert.equal(stream.say({ subscribe: ['a'] }).sent, undefined)
})

test('stepDelta applies subscriptions whatever the nonce, and counts only the answer to the newest', () => {
  const stream = delta(viewOf({ a: 'v1', b: 'v1' }))
  stream.say({ subscribe: ['a'] })
  stream.say({ responseNonce: 'n1' })
  const stale = stream.say({
    responseNonce: 'invented',
    subscribe: ['b'],
    unsubscribe: ['a'],
    error: nack,
  })
  assert.deepEqual(stale.notes, [{ type: 'stale-nonce', namesIgnored: false }])
  assert.equal(stale.sent?.resources[0]?.name, 'b')
  stream.say({ responseNonce: 'n2' })
  assert.equal(stream.change(viewOf({ a: 'v2', b: 'v1' })).sent, undefined)
})

test('stepDelta follows everything by a first message that names nothing, by * and by an empty name', () => {
  for (const subscribe of [[], ['*'], ['']]) {
    const stream = delta(viewOf({ a: 'v1' }))
    assert.deepEqual(stream.say({ subscribe }).said, ['v1'])
    stream.say({ responseNonce: 'n1' })
    assert.deepEqual(stream.change(viewOf({ a: 'v1', b: 'v2' })).said, ['v2'])
    stream.say({ responseNonce: 'n2', unsubscribe: ['*'] })
    assert.equal(stream.change(viewOf({ a: 'v5', b: 'v5' })).sent, undefined)
  }
})

test('stepDelta does not take a stray answer at the start for a wish for everything', () => {
  const stream = delta(viewOf({ a: 'v1' }))
  assert.equal(stream.say({ responseNonce: 'older' }).sent, undefined)
  assert.equal(stream.say({ unsubscribe: ['a'] }).sent, undefined)
})
