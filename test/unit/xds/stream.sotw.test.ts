import assert from 'node:assert/strict'
import test from 'node:test'
import { versionOfSet } from '../../../src/xds/stream.ts'
import { nack, sotw } from './client.ts'
import { resource, viewOf } from './view.ts'

test('stepSotw answers, pushes a rotation once, and nothing for an unrelated change', () => {
  const stream = sotw(viewOf({ a: 'v1' }))
  assert.deepEqual(stream.ask(['a']).sent, {
    nonce: 'n1',
    version: 'v1',
    resources: [resource('a', 'v1')],
  })
  assert.equal(stream.ask(['a'], 'n1', { versionInfo: 'v1' }).notes[0]?.type, 'ack')
  const unrelated = stream.change(viewOf({ a: 'v1', b: 'v1' }))
  assert.equal(unrelated.sent, undefined)
  assert.ok(unrelated.isSame, 'a change that does not concern the stream leaves its state as it is')
  assert.equal(stream.change(viewOf({ a: 'v2' })).sent?.version, 'v2')
  assert.equal(stream.ask(['a'], 'n2').sent, undefined)
})

test('stepSotw takes no names after names for an unsubscription, no names at first for everything', () => {
  const named = sotw(viewOf({ a: 'v1', b: 'v1' }))
  named.ask(['a'])
  assert.equal(named.ask([], 'n1').sent, undefined)
  assert.equal(named.change(viewOf({ a: 'v2', b: 'v2' })).sent, undefined)
  const everything = sotw(viewOf({ a: 'v1', b: 'v1' }))
  assert.deepEqual(everything.ask([]).names, ['a', 'b'])
  assert.equal(everything.ask([], 'n1').sent, undefined)
  assert.deepEqual(everything.change(viewOf({ b: 'v1', c: 'v1' })).names, ['b', 'c'])
})

test('stepSotw takes no names with a nonce of another stream for neither', () => {
  const stream = sotw(viewOf({ a: 'v1' }))
  assert.deepEqual(stream.ask([], 'older').notes, [{ type: 'stale-nonce', namesIgnored: true }])
  assert.deepEqual(stream.ask(['a'], 'older').names, ['a'])
})

test('stepSotw keeps what it sent of an absent name that was asked for beside everything', () => {
  const stream = sotw(viewOf({ a: 'v1', b: 'v1' }))
  stream.ask(['*', 'a'])
  stream.ask(['*', 'a'], 'n1')
  stream.change(viewOf({ b: 'v2' }))
  stream.ask(['*', 'a'], 'n2')
  assert.equal(stream.change(viewOf({ a: 'v1', b: 'v2' })).sent, undefined)
})

test('stepSotw holds a name open in silence and pushes it when it is granted', () => {
  const stream = sotw(viewOf({}))
  const waiting = stream.ask(['a'])
  assert.deepEqual([waiting.sent, waiting.end], [undefined, undefined])
  assert.equal(stream.change(viewOf({ a: 'pending' })).sent, undefined)
  assert.deepEqual(stream.change(viewOf({ a: 'v1' })).names, ['a'])
})

test('stepSotw sends only the newest state once what is in flight is answered', () => {
  const stream = sotw(viewOf({ a: 'v1' }))
  stream.ask(['a'])
  assert.equal(stream.change(viewOf({ a: 'v2' })).sent, undefined)
  assert.equal(stream.change(viewOf({ a: 'v3' })).sent, undefined)
  assert.equal(stream.ask(['a'], 'n1').sent?.version, 'v3')
})

test('stepSotw lets the next response go at the deadline, and counts the late answer until then', () => {
  const stream = sotw(viewOf({ a: 'v1' }))
  stream.ask(['a'])
  const unanswered = { type: 'unanswered', nonce: 'n1', names: ['a'] }
  assert.deepEqual(stream.deadline('n1').notes, [unanswered])
  assert.deepEqual(stream.deadline('n1').notes, [])
  assert.equal(stream.ask(['a'], 'n1').notes[0]?.type, 'ack')
  stream.change(viewOf({ a: 'v2' }))
  stream.change(viewOf({ a: 'v3' }))
  assert.equal(stream.deadline('n2').sent?.version, 'v3')
  assert.deepEqual(stream.ask(['a'], 'n2').notes, [{ type: 'stale-nonce', namesIgnored: true }])
})

test('stepSotw ignores the names of a stale or invented nonce', () => {
  const stream = sotw(viewOf({ a: 'v1', b: 'v1' }))
  stream.ask(['a'])
  stream.ask(['a'], 'n1')
  const stale = stream.ask(['b'], 'invented')
  assert.deepEqual([stale.sent, stale.isSame], [undefined, true])
  assert.deepEqual(stream.ask(['b'], 'n1').names, ['b'])
})

test('stepSotw rejects only what is new in a response of several names', () => {
  const stream = sotw(viewOf({ a: 'v1', b: 'v5' }))
  stream.ask(['a', 'b'])
  stream.ask(['a', 'b'], 'n1')
  assert.deepEqual(stream.change(viewOf({ a: 'v2', b: 'v5' })).names, ['a', 'b'])
  const [note] = stream.ask(['a', 'b'], 'n2', { error: nack }).notes
  assert.ok(note?.type === 'nack')
  assert.deepEqual([note.class, note.quarantine], ['key_mismatch', ['v2']])
  const next = stream.change(viewOf({ a: 'v2', b: 'v6' }))
  assert.deepEqual(next.names, ['b'], 'and what was rejected is left out of the next one')
})

test('stepSotw rejects a change that is repeated unanswered beside another', () => {
  const stream = sotw(viewOf({ a: 'v1', b: 'v1' }))
  stream.ask(['a', 'b'])
  stream.ask(['a', 'b'], 'n1')
  stream.change(viewOf({ a: 'v2', b: 'v1' }))
  stream.deadline('n2')
  stream.change(viewOf({ a: 'v2', b: 'v3' }))
  const [note] = stream.ask(['a', 'b'], 'n3', { error: nack }).notes
  assert.deepEqual(note?.type === 'nack' && note.quarantine, ['v2', 'v3'])
})

test('stepSotw remembers each content that was rejected, as long as the view does not', () => {
  const stream = sotw(viewOf({ a: 'v1' }))
  stream.ask(['a'])
  stream.ask(['a'], 'n1', { error: nack })
  stream.change(viewOf({ a: 'v2' }))
  stream.ask(['a'], 'n2', { error: nack })
  assert.equal(stream.change(viewOf({ a: 'v1' })).sent, undefined)
  stream.change(viewOf({ a: 'v3' }, ['v1']))
  const known = stream.ask(['a'], 'n3', { error: nack })
  assert.deepEqual([...known.state.rejected], ['v2', 'v3'], 'what the view knows is let go')
})

test('stepSotw does not believe the ACK of content that the caller rejected elsewhere', () => {
  const stream = sotw(viewOf({ a: 'v1' }))
  stream.ask(['a'])
  stream.change(viewOf({ a: 'v1' }, ['v1']))
  const [note] = stream.ask(['a'], 'n1').notes
  assert.equal(note?.type, 'ack-of-rejected')
})

test('versionOfSet does not depend on order and keeps names and versions apart', () => {
  const [a, b] = [resource('a', 'v1'), resource('b', 'v2')]
  assert.equal(versionOfSet([a, b]), versionOfSet([b, a]))
  assert.notEqual(versionOfSet([a, b]), versionOfSet([resource('a', 'v2'), resource('b', 'v1')]))
  assert.equal(versionOfSet([a]), 'v1')
})
