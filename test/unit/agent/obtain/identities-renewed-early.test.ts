import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slotView, unavailable } from '../../../fakes/authority.ts'
import { settle } from '../../../fakes/clock.ts'
import { entry, HOUR, kinds, MINUTE, setting, text } from './setting.ts'

test('clock set forward past the renewal instant: renewed within ten seconds', async (t) => {
  const { clock, identities, events } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  clock.jump(HOUR / 2 + 1)
  await clock.advance(10_000)
  assert.notEqual(lease.current, first)
  assert.notEqual(lease.current, undefined)
  assert.deepEqual(kinds(events), ['issued', 'clock_jumped', 'issued'])
})

test('clock set forward by less than to the renewal instant: told once, and nothing is renewed or changed', async (t) => {
  const { clock, identities, changes, events } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  clock.jump(HOUR / 4)
  await clock.advance(60_000)
  assert.equal(lease.current, first)
  assert.deepEqual(kinds(events), ['issued', 'clock_jumped'])
  assert.deepEqual(changes, ['web'])
})

test('clock set forward past the end: told as expired, then issued anew', async (t) => {
  const { clock, identities, changes, events } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  clock.jump(2 * HOUR)
  await clock.advance(10_000)
  assert.equal(lease.current?.svid.issuedAt, clock.now())
  assert.deepEqual(kinds(events), ['issued', 'clock_jumped', 'expired', 'issued'])
  assert.deepEqual(changes, ['web', 'web', 'web'])
})

test('clock set back before the life of the certificate: issued anew within ten seconds', async (t) => {
  const { clock, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  clock.jump(-HOUR)
  await clock.advance(10_000)
  assert.notEqual(lease.current, first)
  assert.equal(lease.current?.svid.issuedAt, clock.now())
})

test('clock set back a little: renewed at the same wall-clock instant, later by the timers', async (t) => {
  const { clock, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  clock.jump(-5_000)
  await clock.advance(HOUR / 2)
  assert.equal(lease.current, first)
  await clock.advance(5_000)
  assert.notEqual(lease.current, first)
})

test('clock slowed by less than a jump: neither renewed nor expired before its wall-clock instant', async (t) => {
  const { clock, authority, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  clock.jump(-900)
  await clock.advance(HOUR / 2)
  assert.equal(lease.current, first)
  authority.failure = unavailable()
  await clock.advance(HOUR / 2)
  assert.equal(lease.current, first)
  await clock.advance(900)
  assert.equal(lease.current, undefined)
})

test('renewAll: renews those picked, each keeping what it has until then, and says how many', async (t) => {
  const { clock, authority, identities } = setting(t)
  const [web, api] = [identities.acquire(entry('web')), identities.acquire(entry('api'))]
  await settle()
  const before = [web.current, api.current]
  authority.held = true
  const outcome = identities.renewAll((identity) => identity.entry.id === 'web')
  await settle()
  assert.deepEqual([web.current, api.current], before)
  authority.held = false
  assert.equal(await outcome, 1)
  assert.notEqual(web.current, before[0])
  assert.equal(api.current, before[1])
  assert.equal(await identities.renewAll(), 2)
  assert.equal(web.current?.renewAt, clock.now() + HOUR / 2)
})

test('renewAll: one that is being issued when asked is issued once more, by the authority of then', async (t) => {
  const { authority, identities } = setting(t)
  authority.held = true
  const lease = identities.acquire(entry('web'))
  await settle()
  const outcome = identities.renewAll()
  authority.held = false
  assert.equal(await outcome, 1)
  assert.match(text(lease.current), / 2$/)
})

test('renewAll: one that fails is not counted, and is retried by itself', async (t) => {
  const { clock, authority, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  authority.failure = unavailable()
  assert.equal(await identities.renewAll(), 0)
  assert.equal(lease.current, first)
  authority.failure = undefined
  await clock.advance(1_000)
  assert.notEqual(lease.current, first)
})

test('authority that recovers or signs with another: those without an identity try at once', async (t) => {
  const { authority, identities } = setting(t)
  authority.failure = unavailable()
  authority.state.set({ ...authority.state.current, fault: 'away' })
  const lease = identities.acquire(entry('web'))
  await settle()
  assert.equal(lease.fault, 'away')
  authority.failure = undefined
  authority.state.set({ anchors: [], slots: [slotView('a')] })
  await settle()
  assert.notEqual(lease.current, undefined)
})

test('authority that drops a CA: what it signed is re-signed, served until then; a mere rotation renews nothing', async (t) => {
  const { authority, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  authority.signWith('b')
  authority.state.set({ anchors: [], slots: [slotView('a', { status: 'old' }), slotView('b')] })
  await settle()
  assert.equal(lease.current, first)
  authority.held = true
  authority.state.set({ anchors: [], slots: [slotView('b')] })
  await settle()
  assert.equal(lease.current, first)
  authority.held = false
  await settle()
  assert.equal(lease.current?.svid.authorityId, 'b')
})

test('authority whose CA is tainted: what it signed is re-signed while the CA is still there', async (t) => {
  const { authority, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  authority.signWith('b')
  authority.held = true
  const slots = [slotView('a', { status: 'tainted' }), slotView('b')]
  authority.state.set({ anchors: [], slots })
  await settle()
  assert.equal(lease.current, first, 'make before break')
  authority.held = false
  await settle()
  assert.equal(lease.current?.svid.authorityId, 'b')
})

test('authority that recovers while an attempt from before is on its way: should it fail, the next one is soon', async (t) => {
  const { clock, authority, identities } = setting(t)
  authority.failure = unavailable()
  authority.state.set({ ...authority.state.current, fault: 'away' })
  const lease = identities.acquire(entry('web'))
  await clock.advance(10 * MINUTE)
  authority.held = true
  await clock.advance(30_000)
  authority.state.set({ anchors: [], slots: [slotView('a')] })
  authority.held = false
  await settle()
  assert.equal(lease.fault, 'away')
  authority.failure = undefined
  await clock.advance(1_000)
  assert.notEqual(lease.current, undefined)
})
