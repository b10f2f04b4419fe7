import assert from 'node:assert/strict'
import test from 'node:test'
import { delta, sotw } from './client.ts'
import { viewOf } from './view.ts'

test('stepSotw and stepDelta quarantine nothing when a name is asked for as the wrong kind of secret', () => {
  const error = { code: 13, message: 'Failed to load incomplete private key from path: ' }
  const whole = sotw(viewOf({ ROOTCA: 'v1' }))
  whole.ask(['ROOTCA'])
  const changes = delta(viewOf({ ROOTCA: 'v1' }))
  changes.say({ subscribe: ['ROOTCA'] })
  for (const { notes } of [
    whole.ask(['ROOTCA'], 'n1', { error }),
    changes.say({ responseNonce: 'n1', error }),
  ]) {
    const [note] = notes
    assert.ok(note?.type === 'nack')
    assert.deepEqual([note.class, note.quarantine], ['type_mismatch', []])
    assert.equal(note.rejected.length, 1)
  }
})

test('stepSotw and stepDelta never let the text of a NACK out', () => {
  const error = {
    code: 13,
    message: 'Proto constraint validation failed: -----BEGIN PRIVATE KEY-----',
  }
  const whole = sotw(viewOf({ a: 'v1' }))
  whole.ask(['a'])
  const changes = delta(viewOf({ a: 'v1' }))
  changes.say({ subscribe: ['a'] })
  const steps = [
    whole.ask(['a'], 'n1', { error }),
    changes.say({ responseNonce: 'n1', error }),
    whole.ask(['a'], 'n1', { error }),
    changes.say({ responseNonce: 'stale', error }),
  ]
  const all = JSON.stringify(steps, (_key, value: unknown) =>
    value instanceof Set ? [...value] : value instanceof Map ? Object.fromEntries(value) : value,
  )
  assert.ok(all.includes('constraint'))
  assert.ok(!all.includes('PRIVATE KEY'))
})

test('stepSotw and stepDelta close a stream that asks for another type, too many names, or too long ones', () => {
  const view = viewOf({ a: 'v1' })
  const v2 = 'type.googleapis.com/envoy.api.v2.auth.Secret'
  const names = ['a', 'b', 'c']
  const long = [`spiffe://example.org/${'a'.repeat(2048)}`]
  const codes = (steps: readonly { end?: { code: string }; sent?: unknown; isSame: boolean }[]) =>
    steps.map(({ end, sent, isSame }) => [end?.code, sent, isSame])
  const closed = [
    ['request_invalid', undefined, true],
    ['limit_reached', undefined, true],
    ['request_invalid', undefined, true],
  ]
  const whole = [{ names: ['a'], typeUrl: v2 }, { names }, { names: long }]
  assert.deepEqual(
    codes(whole.map(({ names: asked, ...more }) => sotw(view, 2).ask(asked, '', more))),
    closed,
  )
  const changes = [{ subscribe: ['a'], typeUrl: v2 }, { subscribe: names }, { subscribe: long }]
  assert.deepEqual(codes(changes.map((more) => delta(view, 2).say(more))), closed)
  assert.equal(sotw(view).ask(['a'], '', { typeUrl: '' }).names?.length, 1)
})
