import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SelectorKind } from '../../../../src/registration/selector.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { settle } from '../../../fakes/clock.ts'
import { attestations, matched, of, PERIOD_MS, registryOf, setUp, WEB } from './setting.ts'

test('a caller is attested once, for what entries ask, and matches its entries', async (t) => {
  const setting = setUp(t, { registry: registryOf(WEB, of('api', 'unix:path:/bin/api')) })
  const caller = setting.callers.admit(setting.connection)
  assert.match(caller.state.current.undecided ?? '', /being attested/)
  await settle()
  assert.deepEqual(matched(caller), ['web'])
  assert.equal(caller.state.current.undecided, undefined)
  assert.deepEqual(setting.attestor.wanted, [['unix:path', 'unix:uid']])
  assert.equal(caller.check(), true)
  assert.equal(setting.attested.length, 1)
})

test('an attestor that fails leaves the caller undecided and is asked again, later each time', async (t) => {
  const setting = setUp(t)
  setting.attestor.failure = new Error('/proc is not there')
  const caller = setting.callers.admit(setting.connection)
  await settle()
  assert.match(caller.state.current.undecided ?? '', /attestation failed: \/proc is not there/)
  assert.deepEqual(setting.refusals, ['internal'])
  assert.equal(caller.state.current.retryAt, setting.clock.now() + 150)
  // Half of the doubled ceiling, and half of the rest by the draw: 150 ms, 300 ms.
  await setting.clock.advance(149)
  assert.equal(attestations(setting), 1)
  await setting.clock.advance(1)
  assert.equal(attestations(setting), 2)
  await setting.clock.advance(299)
  assert.equal(attestations(setting), 2)
  setting.attestor.failure = undefined
  await setting.clock.advance(1)
  assert.deepEqual(matched(caller), ['web'])
  assert.equal(caller.state.current.undecided, undefined)
})

test('a selector that cannot be looked up leaves a caller undecided only where an entry hangs on it', async (t) => {
  const setting = setUp(t, { registry: registryOf(WEB, of('hashed', 'unix:sha256:aa')) })
  setting.attestor.unknownKinds = ['unix:sha256'] as SelectorKind[]
  const caller = setting.callers.admit(setting.connection)
  await settle()
  assert.deepEqual(matched(caller), ['web'], 'what is known is given')
  assert.match(caller.state.current.undecided ?? '', /could not be looked up: unix:sha256/)
  assert.equal(
    caller.state.current.retryAt,
    setting.clock.now() + 150,
    'and when it is tried again',
  )
  setting.attestor.unknownKinds = []
  setting.attestor.selectors = ['unix:uid:1001', 'unix:sha256:aa']
  await setting.clock.advance(150)
  assert.deepEqual(matched(caller), ['web', 'hashed'])
  assert.equal(caller.state.current.retryAt, undefined)

  const other = setUp(t)
  other.attestor.unknownKinds = ['unix:sha256'] as SelectorKind[]
  const unconcerned = other.callers.admit(other.connection)
  await settle()
  assert.equal(unconcerned.state.current.undecided, undefined)
})

test('a caller that runs another program has nothing until it is attested anew', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  setting.attestor.same = false
  setting.attestor.held = true
  assert.equal(caller.check(), true, 'the connection stays')
  assert.deepEqual(matched(caller), [])
  assert.match(caller.state.current.undecided ?? '', /another program/)
  setting.attestor.selectors = ['unix:uid:1001', 'unix:path:/bin/other']
  setting.attestor.same = true
  setting.attestor.held = false
  await settle()
  assert.equal(attestations(setting), 2)
  assert.deepEqual(matched(caller), ['web'])
  assert.equal(caller.state.current.undecided, undefined)
})

test('a caller that stays is attested again each period, and another answer changes what it matches', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  await setting.clock.advance(PERIOD_MS - 1)
  assert.equal(attestations(setting), 1)
  setting.attestor.selectors = ['unix:uid:1001', 'unix:gid:5']
  setting.registry.set(registryOf(WEB, of('grouped', 'unix:gid:5')))
  setting.attestor.selectors = ['unix:gid:5']
  await setting.clock.advance(1)
  assert.deepEqual(matched(caller), ['grouped'])
  const before = attestations(setting)
  await setting.clock.advance(2 * PERIOD_MS)
  assert.equal(attestations(setting), before + 2)
})

test('a caller whose process has ended is disconnected at the next look', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  setting.connection.end()
  assert.equal(caller.check(), false)
  assert.match(setting.connection.destroyedFor ?? '', /has ended/)
  assert.equal(setting.callers.callers.size, 0)
  assert.equal(caller.check(), false)
})

test('a caller that became another process or user while it was attested is disconnected, and not asked again', async (t) => {
  for (const code of ['peer_gone', 'peer_refused'] as const) {
    const setting = setUp(t)
    setting.attestor.failure = new SpindleError(code, 'became uid 0')
    const caller = setting.callers.admit(setting.connection)
    await settle()
    assert.equal(setting.connection.destroyedFor, 'became uid 0')
    assert.deepEqual(setting.refusals, [code])
    assert.deepEqual(matched(caller), [])
    assert.equal(setting.clock.pending, 0)
  }
})

test('an answer that comes after the connection is closed gives nothing', async (t) => {
  const setting = setUp(t)
  setting.attestor.held = true
  const caller = setting.callers.admit(setting.connection)
  setting.connection.destroy('over')
  setting.attestor.held = false
  await settle()
  assert.deepEqual(matched(caller), [])
  assert.equal(setting.attested.length, 0)
  assert.equal(setting.clock.pending, 0)
})

test('an attestation that hangs is "not yet" after a while, and counts when it comes', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  setting.attestor.held = true
  await setting.clock.advance(PERIOD_MS)
  assert.deepEqual(matched(caller), ['web'])
  await setting.clock.advance(30_000)
  assert.deepEqual(matched(caller), [])
  assert.match(caller.state.current.undecided ?? '', /longer than 30 s/)
  setting.attestor.held = false
  await settle()
  assert.deepEqual(matched(caller), ['web'])
  assert.equal(attestations(setting), 2, 'no second one was begun beside it')
})

test('a look at the very moment an attestation ends is not lost', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  let looked = false
  caller.state.subscribe(({ undecided }) => {
    if (undecided !== undefined || looked) return
    looked = true
    void Promise.resolve().then(() => {
      setting.attestor.same = false
      caller.check()
      setting.attestor.same = true
    })
  })
  await settle()
  assert.equal(looked, true)
  assert.equal(attestations(setting), 2)
  assert.deepEqual(matched(caller), ['web'])
})
