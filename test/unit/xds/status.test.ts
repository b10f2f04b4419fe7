import assert from 'node:assert/strict'
import test from 'node:test'
import { SECRET_TYPE_URL } from '../../../src/xds/resource.ts'
import { heldNames } from '../../../src/xds/status.ts'
import { initialDelta, stepDelta, type DeltaState } from '../../../src/xds/stream.ts'
import { contextOf, viewOf } from './view.ts'

const say = (more: object) => ({
  type: 'request' as const,
  request: {
    subscribe: [],
    unsubscribe: [],
    initialResourceVersions: {},
    responseNonce: '',
    typeUrl: SECRET_TYPE_URL,
    ...more,
  },
})

test('heldNames tells what a name is in at each point of its life', () => {
  const context = contextOf(viewOf({}))
  let state: DeltaState = initialDelta()
  const after = (event: Parameters<typeof stepDelta>[1], view = context.view) => {
    context.view = view
    state = stepDelta(state, event, context).state
    const [held] = heldNames(state, view)
    return [held?.status, held?.sent, held?.acked]
  }
  const changed = { type: 'view' as const }
  assert.deepEqual(after(say({ subscribe: ['a'] })), ['waiting', undefined, undefined])
  const pending = after(say({ responseNonce: 'n1' }), viewOf({ a: 'pending' }))
  assert.deepEqual(pending, ['pending', undefined, undefined])
  assert.deepEqual(after(changed, viewOf({ a: 'v1' })), ['sent', 'v1', undefined])
  const late = after({ type: 'ack-deadline', nonce: 'n2' })
  assert.deepEqual(late, ['unanswered', 'v1', undefined])
  assert.deepEqual(after(say({ responseNonce: 'n2' })), ['acknowledged', 'v1', 'v1'])
  assert.deepEqual(after(changed, viewOf({ a: 'v2' })), ['sent', 'v2', 'v1'])
  const rejected = after(say({ responseNonce: 'n3', error: { code: 13, message: '' } }))
  assert.deepEqual(rejected, ['rejected', 'v2', 'v1'])
  assert.deepEqual(after(changed, viewOf({})), ['revoked', undefined, 'v1'])
})

test('heldNames does not take the ACK of what was asked for anew for that of the new one', () => {
  const context = contextOf(viewOf({ a: 'v1' }))
  let { state } = stepDelta(initialDelta(), say({ subscribe: ['a'] }), context)
  const late = say({ responseNonce: 'n1' })
  state = stepDelta(state, say({ unsubscribe: ['a'] }), context).state
  state = stepDelta(state, say({ subscribe: ['a'] }), context).state
  assert.equal(heldNames(state, context.view)[0]?.acked, undefined)
  state = stepDelta(state, late, context).state
  const [held] = heldNames(state, context.view)
  assert.deepEqual([held?.status, held?.acked], ['sent', undefined])
})

test('heldNames says why a name has no value', () => {
  const context = contextOf(viewOf({}))
  const { state } = stepDelta(initialDelta(), say({ subscribe: ['a'] }), context)
  assert.equal(heldNames(state, context.view)[0]?.why, 'not granted')
})

test('heldNames does not take an older value that was acknowledged for the newer one that waits', () => {
  const context = contextOf(viewOf({ a: 'v1', b: 'w1' }))
  let { state } = stepDelta(initialDelta(), say({ subscribe: ['a', 'b'] }), context)
  state = stepDelta(state, say({ responseNonce: 'n1' }), context).state
  context.view = viewOf({ a: 'v2', b: 'w1' })
  state = stepDelta(state, { type: 'view' }, context).state
  const held = heldNames(state, context.view).find(({ name }) => name === 'a')
  assert.deepEqual([held?.status, held?.sent, held?.acked], ['pending', 'v1', 'v1'])
})
