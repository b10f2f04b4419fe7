import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unavailable } from '../../../fakes/authority.ts'
import { settle } from '../../../fakes/clock.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { entry, HOUR, MINUTE, setting, text } from './setting.ts'

test('acquire: issues at once, by what the entry says, and tells when it is there', async (t) => {
  const { authority, identities, changes } = setting(t)
  const lease = identities.acquire(
    entry('web', { dnsNames: ['web.test'], x509SvidTtlMs: 5 * MINUTE }),
  )
  assert.equal(text(lease.current), 'none')
  assert.deepEqual(changes, [])
  await settle()
  assert.deepEqual(changes, ['web'])
  assert.equal(text(lease.current), 'spiffe://example.org/web 1')
  const [request] = authority.requests
  assert.equal(request?.spiffeId, 'spiffe://example.org/web')
  assert.deepEqual(request?.dnsNames, ['web.test'])
  assert.equal(request?.ttlMs, 5 * MINUTE)
})

test('missing, expired: entries in use that have nothing to serve, until they do and again once it expired', async (t) => {
  const { clock, authority, identities } = setting(t)
  authority.failure = unavailable()
  const lease = identities.acquire(entry('web'))
  await settle()
  const counts = () => [identities.missing(), identities.expired()]
  assert.deepEqual(counts(), [1, 0])
  authority.failure = undefined
  await clock.advance(MINUTE)
  assert.deepEqual(counts(), [0, 0])
  authority.failure = unavailable()
  await clock.advance(2 * HOUR)
  assert.deepEqual(counts(), [1, 1])
  lease.release()
  assert.deepEqual(counts(), [0, 0])
})

test('acquire: the same entry id is one identity, whoever asks', async (t) => {
  const { authority, identities } = setting(t)
  const leases = [entry('web'), entry('web'), entry('api')].map((each) => identities.acquire(each))
  await settle()
  assert.equal(authority.requests.length, 2)
  assert.equal(authority.requests[0]?.ttlMs, HOUR)
  assert.ok(leases[0]?.current !== undefined && leases[0].current === leases[1]?.current)
  assert.notEqual(leases[2]?.current, leases[0].current)
})

test('acquire: thousands are begun in slices, with turns of the event loop between', async (t) => {
  const { authority, identities } = setting(t)
  authority.held = true
  for (let each = 0; each < 170; each++) identities.acquire(entry(`e${each}`))
  const seen = new Set<number>()
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    seen.add(authority.requests.length)
  }
  assert.deepEqual(
    [...seen].filter((count) => count > 0),
    [50, 100, 150, 170],
  )
  authority.held = false
  await settle()
  assert.equal(identities.current().length, 170)
})

test('renewal: at the instant drawn for the certificate, with a new key, and the one before is served until then', async (t) => {
  const { clock, authority, identities, changes, events } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  assert.equal(first?.renewAt, clock.now() + HOUR / 2)
  await clock.advance(HOUR / 2 - 1)
  assert.equal(lease.current, first)
  authority.held = true
  await clock.advance(10)
  assert.equal(lease.current, first, 'the next is still being issued')
  authority.held = false
  await settle()
  const second = lease.current
  assert.notEqual(second, first)
  assert.notDeepEqual(second?.pkcs8, first?.pkcs8)
  assert.notDeepEqual(authority.requests[1]?.spki, authority.requests[0]?.spki)
  assert.notDeepEqual(second?.svid.chain[0], first?.svid.chain[0])
  assert.deepEqual(changes, ['web', 'web'])
  const renewed = events.at(-1)
  assert.ok(renewed?.kind === 'issued' && renewed.lagMs === 9)
})

test('renewal: the instants of many identities are spread over the whole window', async (t) => {
  const { clock, identities } = setting(t, createSeededRandom('spread'))
  for (let each = 0; each < 200; each++) identities.acquire(entry(`e${each}`))
  await settle(10)
  const places = identities.current().map(({ renewAt }) => (renewAt - clock.now()) / HOUR)
  assert.equal(places.length, 200)
  assert.ok(Math.min(...places) >= 0.4 && Math.min(...places) < 0.42)
  assert.ok(Math.max(...places) < 0.6 && Math.max(...places) > 0.58)
})

test('renewal that fails: the one before is served to its end and no longer, tried ever more often', async (t) => {
  const { clock, authority, identities, events, changes } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  authority.failure = unavailable('the CA is away')
  await clock.advance(HOUR - 1)
  assert.equal(lease.current, first)
  assert.equal(lease.fault, 'the CA is away')
  let at = HOUR / 2
  for (const event of events) {
    if (event.kind !== 'failed') continue
    // A millisecond for what the sum of fractions loses.
    assert.ok(event.retryMs <= Math.max((HOUR - at) / 10, 100) + 1, `${event.retryMs} at ${at}`)
    assert.ok(event.retryMs >= 100, 'there is a pause even when its life is nearly over')
    at += event.retryMs
  }
  assert.deepEqual(changes, ['web'])

  await clock.advance(1)
  assert.equal(lease.current, undefined)
  assert.deepEqual(changes, ['web', 'web'])
  assert.equal(events.filter((event) => event.kind === 'expired').length, 1)
  authority.failure = undefined
  await clock.advance(30_000)
  assert.notEqual(lease.current, undefined)
  assert.equal(lease.fault, undefined)
})

test('current: an expired identity is not served even where no timer has fired', async (t) => {
  const { clock, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  clock.jump(HOUR)
  assert.equal(lease.current, undefined)
  assert.deepEqual(identities.current(), [])
  assert.equal(identities.find('web')?.current, undefined)
})

test('current: what Envoy would refuse never becomes it, is told, and is tried again', async (t) => {
  const made = setting(t)
  const { clock, identities, events } = made
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  made.faults = ['key does not fit']
  await clock.advance(HOUR / 2)
  assert.equal(lease.current, first)
  const failed = events.at(-1)
  assert.ok(failed?.kind === 'failed' && failed.code === 'certificate_invalid')
  assert.match(failed.message, /key does not fit/)
  assert.equal(identities.find('web')?.retryAt, clock.now() + failed.retryMs)
  made.faults = []
  await clock.advance(1_000)
  assert.notEqual(lease.current, first)
  assert.equal(identities.find('web')?.retryAt, undefined)
})

test('release: kept until its renewal instant, so a caller that comes back has it at once; then dropped', async (t) => {
  const { clock, authority, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const first = lease.current
  lease.release()
  lease.release()
  await clock.advance(HOUR / 2 - 1)
  const back = identities.acquire(entry('web'))
  assert.equal(back.current, first)
  back.release()
  await clock.advance(1)
  assert.equal(identities.find('web'), undefined)
  await clock.advance(HOUR)
  assert.equal(authority.requests.length, 1)
})

test('release: one of two users going leaves the other its renewals', async (t) => {
  const { clock, identities } = setting(t)
  const lease = identities.acquire(entry('web'))
  identities.acquire(entry('web')).release()
  await settle()
  const first = lease.current
  await clock.advance(HOUR / 2)
  assert.ok(lease.current !== undefined && lease.current !== first)
})

test('release: an identity that could not be issued yet is given up', async (t) => {
  const { clock, authority, identities } = setting(t)
  authority.failure = unavailable()
  const lease = identities.acquire(entry('web'))
  await settle()
  lease.release()
  assert.equal(identities.find('web'), undefined)
  await clock.advance(HOUR)
  assert.equal(authority.requests.length, 1)
})

test('close: leaves no timer and issues nothing more', async (t) => {
  const { clock, authority, identities } = setting(t)
  identities.acquire(entry('web'))
  identities.acquire(entry('api'))
  await settle()
  authority.held = true
  const outcome = identities.renewAll()
  await settle()
  identities.close()
  authority.held = false
  await outcome
  await settle()
  assert.equal(clock.pending, 0)
  assert.deepEqual(identities.current(), [])
})

test('events: none holds the private key', async (t) => {
  const { identities, events } = setting(t)
  const lease = identities.acquire(entry('web'))
  await settle()
  const pkcs8 = lease.current?.pkcs8 ?? Buffer.alloc(0)
  const shown = JSON.stringify(events)
  assert.ok(pkcs8.length > 60)
  assert.ok(!shown.includes(JSON.stringify(pkcs8.toJSON().data).slice(1, -1)))
  assert.ok(!shown.includes(pkcs8.toString('base64')))
})
