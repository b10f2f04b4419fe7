// WT-19, WT-25 of docs/conformance.md.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { settle } from '../../../../fakes/clock.ts'
import { collectGarbage } from '../../../../leaks.ts'
import { entry } from '../../obtain/setting.ts'
import { OWN, bundlesOf } from '../setting.ts'
import { PARTNER, setUp, wholeBundle } from './setting.ts'

const WEB = entry('web')
const API = entry('api', { federatesWith: [PARTNER] })

test('a stream is told once of each change that concerns its caller, and of no other', async () => {
  const { caller, identities, bundles, open, events } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open('FetchX509SVID')
  assert.deepEqual(events, ['opened FetchX509SVID', 'sent FetchX509SVID after 0'])
  identities.set(API, 'other')
  bundles.set(bundlesOf(wholeBundle(OWN, 'root'), wholeBundle(PARTNER, 'theirs')))
  bundles.set(bundlesOf(wholeBundle(OWN, 'root')))
  caller.matches(WEB)
  await settle()
  assert.equal(call.said.length, 1)
  identities.set(WEB, 'two')
  await settle()
  identities.set(WEB, 'three')
  bundles.set(bundlesOf(wholeBundle(OWN, 'root', 'next')))
  await settle()
  assert.deepEqual(call.said, [
    ['spiffe://example.org/web chain one key one root'],
    ['spiffe://example.org/web chain two key two root'],
    ['spiffe://example.org/web chain three key three rootnext'],
  ])
  assert.equal(events.filter((event) => event === 'sent FetchX509SVID').length, 2)
})

test('content that comes back to what was sent last is not sent again', async () => {
  const { caller, identities, bundles, open } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open('FetchX509SVID')
  bundles.set(bundlesOf(wholeBundle(OWN, 'root', 'next')))
  bundles.set(bundlesOf({ ...wholeBundle(OWN, 'root'), refreshHintSeconds: 60 }))
  await settle()
  assert.equal(call.said.length, 1)
})

test('who has no entry is denied: at once, as soon as that is known, and when the last one goes', async () => {
  const { caller, identities, open, workload, events } = setUp()
  const waiting = open('FetchX509SVID')
  await settle()
  assert.deepEqual([waiting.status], [undefined], 'it is being attested')
  caller.matches()
  await settle()
  const denied = open('FetchX509SVID')
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const had = open('FetchX509SVID')
  caller.isUndecided('the entries have changed')
  await settle()
  assert.deepEqual([had.status], [undefined], 'not yet is not no')
  caller.matches()
  await settle()
  for (const call of [waiting, denied, had]) {
    assert.equal(call.status?.code, status.PERMISSION_DENIED)
    assert.equal(call.status.details, 'no_identity: no entry matches the calling process')
  }
  assert.deepEqual(
    [waiting, denied, had].map((call) => call.said.length),
    [0, 0, 1],
  )
  assert.equal(workload.streams.size, 0)
  assert.equal(events.filter((event) => event === 'closed FetchX509SVID no_identity').length, 3)
})

test('T-WT-3 what cannot be said in time is answered with UNAVAILABLE, sooner to a client that would give up sooner', async () => {
  const { caller, clock, open } = setUp()
  const patient = open('FetchX509SVID')
  const hasty = open('FetchX509SVID', caller, (call) => (call.deadline = clock.now() + 1_000))
  const late = open('FetchX509SVID', caller, (call) => (call.deadline = clock.now()))
  await clock.advance(0)
  assert.equal(late.status?.code, status.UNAVAILABLE)
  await clock.advance(749)
  assert.deepEqual([hasty.status], [undefined])
  await clock.advance(1)
  assert.equal(hasty.status?.code, status.UNAVAILABLE)
  assert.equal(hasty.status.details, 'not_ready: the caller is being attested')
  await clock.advance(4_249)
  assert.deepEqual([patient.status], [undefined])
  await clock.advance(1)
  assert.equal(patient.status?.code, status.UNAVAILABLE)
  assert.equal(clock.pending, 0)
})

test('a stream that was told something is held open while nothing more can be said', async () => {
  const { caller, identities, clock, open } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open('FetchX509SVID')
  caller.isUndecided('the process runs another program than the one attested')
  identities.set(WEB, 'two')
  await clock.advance(60_000)
  assert.deepEqual([call.said.length, call.status], [1, undefined])
  caller.matches(WEB)
  await settle()
  assert.equal(call.said.length, 2)
})

test('while an entry is undecided that would be the default, or has the hint, a stream does not begin; it goes on as it was', async () => {
  const { caller, identities, clock, open } = setUp()
  const marked = entry('marked', { default: true })
  const hinted = entry('hinted', { hint: 'x' })
  const older = entry('older', { hint: 'x' })
  for (const each of [WEB, hinted]) identities.set(each, each.id)
  caller.matches(WEB, hinted)
  const begun = open('FetchX509SVID')
  for (const possible of [
    [WEB, hinted, marked],
    [WEB, older, hinted],
  ]) {
    caller.mayMatch([WEB, hinted], possible)
    const call = open('FetchX509SVID')
    identities.set(WEB, `with ${possible.length}`)
    await clock.advance(5_000)
    assert.equal(call.status?.code, status.UNAVAILABLE)
    assert.match(call.status.details, /selectors could not be looked up/)
  }
  assert.equal(begun.said.length, 2, 'what it has is renewed meanwhile')
  // One that would come after the others, and with a hint of its own, changes nothing of them.
  caller.mayMatch([WEB, hinted], [WEB, hinted, API])
  const call = open('FetchX509SVID')
  await clock.advance(1_000)
  assert.equal(call.said[0]?.length, 2)
})

test('an entry and its bundles come together with its X.509-SVID, in one message', async () => {
  const { caller, identities, bundles, open, clock } = setUp()
  bundles.set(bundlesOf(wholeBundle(OWN, 'root'), wholeBundle(PARTNER, 'theirs')))
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open('FetchX509SVID')
  caller.matches(WEB, API)
  await clock.advance(900)
  assert.equal(call.said.length, 1)
  identities.set(API, 'a')
  await settle()
  assert.equal(call.said.length, 2)
  assert.equal(call.said[1]?.length, 3)
  assert.equal(clock.pending, 0)
})

test('a client that does not read costs the one message that has not left, and then gets the newest alone', async () => {
  const { caller, identities, open, workload } = setUp()
  caller.matches(WEB)
  identities.set(WEB, '0')
  const call = open('FetchX509SVID')
  call.blocked = true
  for (let version = 1; version <= 50; version++) {
    identities.set(WEB, String(version))
    await settle(1)
  }
  assert.equal(call.written.length, 2)
  assert.deepEqual(
    [...workload.streams].map((stream) => stream.writing),
    [true],
  )
  call.blocked = false
  call.flush()
  await settle()
  assert.deepEqual(call.said.slice(2), [['spiffe://example.org/web chain 50 key 50 root']])
  assert.deepEqual(
    [...workload.streams].map((stream) => stream.writing),
    [false],
  )
})

test('nothing is given to a process that is not the one that was attested', async () => {
  const { caller, identities, open } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open('FetchX509SVID')
  caller.onCheck = () =>
    caller.isUndecided('the process runs another program than the one attested')
  identities.set(WEB, 'two')
  await settle()
  caller.onCheck = () => undefined
  caller.sound = false
  caller.matches(WEB)
  await settle()
  assert.equal(call.said.length, 1)
})

test('a client that goes takes its stream with it: no timer, no follower, no lease is left', async () => {
  const { caller, identities, grants, clock, open, workload, events } = setUp()
  const call = open('FetchX509SVID')
  caller.matches(WEB)
  await settle()
  call.cancel()
  call.emit('close')
  assert.deepEqual(events, ['opened FetchX509SVID', 'closed FetchX509SVID'])
  assert.equal(clock.pending, 0)
  assert.equal(workload.streams.size, 0)
  assert.equal(grants.of(caller).followers.size, 0)
  identities.set(WEB, 'one')
  await settle()
  assert.equal(call.written.length, 0)
  caller.connection.destroy('over')
  assert.equal(identities.leasesOf(WEB), 0)
  assert.equal(grants.all.size, 0)
})

test('when the agent goes every stream ends with UNAVAILABLE, so that clients come back', () => {
  const { caller, identities, open, workload } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const calls = [open('FetchX509SVID'), open('FetchX509Bundles'), open('FetchJWTBundles')]
  workload.endStreams('the agent is shutting down')
  for (const call of calls) assert.equal(call.status?.code, status.UNAVAILABLE)
  assert.equal(workload.streams.size, 0)
})

test('a caller with very many identities is sent the newest state after a while, and not each change of one', async () => {
  const { caller, identities, open, clock } = setUp()
  const many = Array.from({ length: 1_000 }, (_, index) => entry(`many-${index}`))
  for (const each of many) identities.set(each, 'one')
  caller.matches(...many)
  const call = open('FetchX509SVID')
  const bytes = call.written[0]?.bytes.length ?? 0
  assert(bytes > 50_000)
  for (const each of many) {
    identities.set(each, 'two')
    await settle(1)
  }
  assert.equal(call.written.length, 1)
  await clock.advance(Math.ceil(bytes / 4096))
  assert.equal(call.written.length, 2)
  assert.equal(
    call.said[1]?.every((line) => line.includes('key two')),
    true,
  )
  // That nothing is left is told at once.
  caller.matches()
  await settle()
  assert.equal(call.status?.code, status.PERMISSION_DENIED)
  assert.equal(clock.pending, 0)
})

test('a stream keeps no bytes of what it has sent, whatever it waits for', async () => {
  const { caller, identities, open, workload } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open('FetchX509SVID')
  const bytes = new WeakRef(call.written.pop() ?? {})
  identities.set(WEB, undefined)
  identities.fail(WEB, 'the CA is away')
  await settle()
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  assert.equal(bytes.deref(), undefined)
  assert.equal([...workload.streams][0]?.sent?.version.length, 64)
})
