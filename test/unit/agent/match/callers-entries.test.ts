/** Callers while the entries change. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle } from '../../../fakes/clock.ts'
import { attestations, matched, of, PERIOD_MS, registryOf, setUp, WEB } from './setting.ts'

test('while entries are not loaded nothing is decided; when they are, it is', async (t) => {
  const setting = setUp(t, { registry: undefined })
  const caller = setting.callers.admit(setting.connection)
  await settle()
  assert.match(caller.state.current.undecided ?? '', /has no entries yet/)
  setting.registry.set(registryOf(WEB))
  await settle()
  assert.deepEqual(matched(caller), ['web'])
  assert.equal(caller.state.current.undecided, undefined)
})

test('a new identity is given only after the caller was attested again', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  setting.attestor.held = true
  setting.registry.set(registryOf(WEB, of('second', 'unix:uid:1001')))
  await settle()
  assert.equal(attestations(setting), 2)
  assert.deepEqual(matched(caller), ['web'], 'what it had it keeps meanwhile')
  setting.attestor.held = false
  await settle()
  assert.deepEqual(matched(caller), ['web', 'second'])

  // By then it is somebody else's process: it gets neither.
  setting.attestor.selectors = ['unix:uid:0']
  setting.registry.set(registryOf(WEB, of('second', 'unix:uid:1001'), of('third', 'unix:uid:1001')))
  await settle()
  assert.deepEqual(matched(caller), [])
})

test('an entry that is deleted or that others match costs no attestation', async (t) => {
  const setting = setUp(t, { registry: registryOf(WEB, of('second', 'unix:uid:1001')) })
  const caller = setting.callers.admit(setting.connection)
  await settle()
  setting.registry.set(registryOf(WEB, of('others', 'unix:uid:4')))
  await settle()
  assert.deepEqual(matched(caller), ['web'])
  assert.equal(attestations(setting), 1)
})

test('a kind of selector that an entry asks for anew is looked up', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  setting.attestor.selectors = ['unix:uid:1001', 'unix:sha256:aa']
  setting.registry.set(registryOf(WEB, of('hashed', 'unix:sha256:aa')))
  await settle()
  assert.deepEqual(setting.attestor.wanted.at(-1), ['unix:sha256', 'unix:uid'])
  assert.deepEqual(matched(caller), ['web', 'hashed'])
})

test('entries that change while a caller is attested are the ones it is matched with', async (t) => {
  const setting = setUp(t)
  setting.attestor.held = true
  const caller = setting.callers.admit(setting.connection)
  const decisions: number[] = []
  caller.state.subscribe(({ undecided }) => {
    if (undecided === undefined) decisions.push(attestations(setting))
  })
  setting.registry.set(registryOf(of('hashed', 'unix:sha256:aa'), of('newer', 'unix:uid:1001')))
  setting.attestor.held = false
  await settle()
  assert.equal(decisions[0], 2, 'not before what the new entries ask is known')
  assert.deepEqual(matched(caller), ['newer'])
  assert.deepEqual(setting.attestor.wanted, [['unix:uid'], ['unix:sha256', 'unix:uid']])
})

test('what an entry gave is gone with it, also while what another gives is attested', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  setting.attestor.held = true
  setting.registry.set(registryOf(of('second', 'unix:uid:1001'), of('hashed', 'unix:sha256:aa')))
  await settle()
  assert.deepEqual(matched(caller), [])
  assert.match(caller.state.current.undecided ?? '', /entries have changed/)
  const { possible } = caller.state.current.match
  assert.deepEqual(
    possible.map(({ id }) => id),
    ['second', 'hashed'],
    'either may be the default',
  )
  setting.attestor.held = false
  await settle()
  assert.deepEqual(matched(caller), ['second'])
  assert.equal(caller.state.current.undecided, undefined)
})

test('entries that change all the time do not put off the period', async (t) => {
  const setting = setUp(t)
  setting.callers.admit(setting.connection)
  await settle()
  for (let change = 0; change < 4; change++) {
    setting.registry.set(registryOf(WEB, of(`others-${change}`, 'unix:uid:4')))
    await setting.clock.advance(PERIOD_MS / 4)
  }
  assert.equal(attestations(setting), 2)
})

test('a change that does not concern a caller leaves it the match it had', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  const { match } = caller.state.current
  setting.registry.set(registryOf(of('web', 'unix:uid:1001'), of('others', 'unix:uid:4')))
  await setting.clock.advance(PERIOD_MS)
  assert.equal(caller.state.current.match, match)
})

test('entries that change while an attestation fails are attested for at once', async (t) => {
  const setting = setUp(t)
  const caller = setting.callers.admit(setting.connection)
  await settle()
  setting.attestor.held = true
  await setting.clock.advance(PERIOD_MS)
  setting.registry.set(registryOf(WEB, of('second', 'unix:uid:1001')))
  await settle()
  setting.attestor.failure = new Error('/proc is not there')
  caller.state.subscribe(() => (setting.attestor.failure = undefined))
  setting.attestor.held = false
  await settle()
  assert.deepEqual(matched(caller), ['web', 'second'])
  assert.deepEqual(setting.refusals, ['internal'])
})
