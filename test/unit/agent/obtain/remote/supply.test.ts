import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { verifyX509Svid } from '../../../../../src/certs/parse.ts'
import type { Entry } from '../../../../../src/registration/entry.ts'
import { parseTrustDomain } from '../../../../../src/spiffe/spiffe-id.ts'
import { createManualClock, settle } from '../../../../fakes/clock.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { createFakeLink, servedBundle, serverEntry, UP } from '../../../../fakes/server-link.ts'
import { start } from './setting.ts'
import type { Running } from './setting.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

async function setting(t: TestContext) {
  const clock = createManualClock()
  const random = createSeededRandom('supply')
  const link = await createFakeLink(clock, random)
  return { clock, random, link, agent: start(t, { clock, random, link }) }
}

function entriesOf({ registry }: Running): readonly Entry[] {
  assert(registry.current !== undefined)
  return registry.current.entries
}

const named = (agent: Running, name: string): Entry =>
  entriesOf(agent).find(({ spiffeId }) => spiffeId.endsWith(`/${name}`))!

test('createRemoteSupply() says of entries and authority that they are not there until the server has said so', async (t) => {
  const { link, agent } = await setting(t)
  assert.equal(agent.registry.current, undefined)
  assert.deepEqual(agent.authority.state.current.slots, [])
  assert.match(agent.authority.state.current.fault ?? '', /nothing has come/)
  assert.equal(agent.bundles.feed.current.size, 0)
  const keys: number[] = []
  agent.bundles.feed.subscribe((bundles) => {
    for (const { jwtAuthorities } of bundles.values()) keys.push(jwtAuthorities.length)
  })
  link.serve([])
  assert.deepEqual(keys, [1], 'the bundle is whole from the first')
  assert.deepEqual(entriesOf(agent), [])
  assert.equal(agent.authority.state.current.fault, undefined)
  assert.equal(agent.bundles.feed.current.size, 1)
})

test('createRemoteSupply() has identities signed by the server, which verify under the bundle', async (t) => {
  const { clock, link, agent } = await setting(t)
  link.serve([serverEntry('web', { dnsNames: ['web.test'] })])
  const lease = agent.identities.acquire(named(agent, 'web'))
  await settle()
  const { current } = lease
  assert(current !== undefined, lease.fault)
  assert.deepEqual(
    link.asked.map(({ entryId }) => entryId),
    ['web'],
  )
  const anchors = new Map(
    [...agent.bundles.feed.current].map(([name, { x509Authorities }]) => [name, x509Authorities]),
  )
  const options = { now: clock.now(), mode: 'strict' } as const
  assert.equal(verifyX509Svid(current.svid.chain, anchors, options), 'spiffe://example.org/web')
  const token = await agent.jwtSvids.fetch(named(agent, 'web'), ['db'])
  assert.match(token.token, /^ey/)
  assert(agent.jwtAuthority.state.current.slots.some((s) => s.authorityId === token.authorityId))
})

test('createRemoteSupply() changes what concerns a change, and nothing else', async (t) => {
  const { link, agent } = await setting(t)
  const [web, batch] = [serverEntry('web'), serverEntry('batch')]
  link.serve([web, batch])
  const before = entriesOf(agent)
  const lease = agent.identities.acquire(named(agent, 'web'))
  await settle()
  const had = lease.current
  let changes = 0
  agent.registry.subscribe(() => changes++)

  // The same again, in other objects.
  link.serve([{ ...web }, { ...batch }])
  assert.equal(changes, 0)
  link.serve([{ ...web, hint: 'internal', revision: 1 }, batch])
  assert.equal(changes, 1)
  assert.equal(named(agent, 'batch'), before[1], 'an entry that did not change is the same')
  const changed = named(agent, 'web')
  assert.notEqual(changed.id, before[0]?.id)
  const again = agent.identities.acquire(changed)
  lease.release()
  await settle()
  assert.deepEqual(again.current?.svid.chain, had?.svid.chain, 'nothing of its SVID has changed')
  assert.equal(link.asked.length, 1)

  link.serve([{ ...web, hint: 'internal', dnsNames: ['web.test'], revision: 2 }, batch])
  const other = agent.identities.acquire(named(agent, 'web'))
  await settle()
  assert.notDeepEqual(other.current?.svid.chain, had?.svid.chain)
  assert.equal(link.asked.length, 2)
})

test('createRemoteSupply() serves no entry that is for a store, and none beyond its expiry', async (t) => {
  const { clock, link, agent } = await setting(t)
  const expiresAt = clock.now() + HOUR
  link.serve([
    serverEntry('stored', { storeSvid: true }),
    serverEntry('short', { expiresAt }),
    serverEntry('gone', { expiresAt: clock.now() }),
    serverEntry('web'),
  ])
  const names = () => entriesOf(agent).map(({ spiffeId }) => spiffeId.split('/').at(-1))
  assert.deepEqual(names(), ['short', 'web'])
  await clock.advance(HOUR - 1)
  assert.deepEqual(names(), ['short', 'web'])
  await clock.advance(1)
  assert.deepEqual(names(), ['web'])
})

test('createRemoteSupply() has the expiry of an entry follow a wall clock that is set forward', async (t) => {
  const { clock, link, agent } = await setting(t)
  link.serve([serverEntry('short', { expiresAt: clock.now() + HOUR })])
  clock.jump(2 * HOUR)
  await clock.advance(10_000)
  assert.deepEqual(entriesOf(agent), [])
})

test('createRemoteSupply() has bundles of other trust domains there before the entries that name them, and gone after', async (t) => {
  const { link, agent } = await setting(t)
  const partner = servedBundle('partner.test', [Uint8Array.of(1)])
  const seen: string[] = []
  const look = (): void => {
    const federated = agent.registry.current?.entries.some((one) => one.federatesWith.length > 0)
    seen.push(
      `${federated === true} ${agent.bundles.feed.current.has(parseTrustDomain('partner.test'))}`,
    )
  }
  agent.registry.subscribe(look)
  agent.bundles.feed.subscribe(look)
  link.serve([serverEntry('web', { federatesWith: [parseTrustDomain('partner.test')] })], [partner])
  link.serve([serverEntry('web')])
  assert(!seen.includes('true false'), seen.join(', '))
  assert.equal(seen.at(-1), 'false false')
})

test('createRemoteSupply() signs anew what a tainted authority signed, once, and only that', async (t) => {
  const { clock, link, agent } = await setting(t)
  const web = serverEntry('web')
  const batch = serverEntry('batch')
  link.serve([web, batch])
  const lease = agent.identities.acquire(named(agent, 'web'))
  await settle()
  const [had, signer] = [lease.current, lease.current?.svid.authorityId]
  await link.rotate(true)
  const late = agent.identities.acquire(named(agent, 'batch'))
  await settle()
  assert.notEqual(late.current?.svid.authorityId, signer)
  const asked = link.asked.length
  link.serve([web, batch])
  assert.equal(lease.current, had, 'it is kept until the next is there')
  assert.equal(link.holding().x509.length, 2)
  assert.equal(link.holding().x509[0], signer, 'what is to be revoked is told first')
  await settle()
  assert.notEqual(lease.current?.svid.authorityId, signer)
  assert(lease.current !== undefined)
  assert.equal(link.asked.length, asked + 1)
  const statuses = agent.authority.state.current.slots.map(({ status }) => status)
  assert.deepEqual(statuses.toSorted(), ['active', 'tainted'])
  await clock.advance(MINUTE)
  assert.deepEqual(link.told.at(-1)?.x509, [lease.current.svid.authorityId])
})

test('createRemoteSupply() serves what is valid while the server is away, and nothing that has expired', async (t) => {
  const { clock, link, agent } = await setting(t)
  link.serve([serverEntry('web')])
  const lease = agent.identities.acquire(named(agent, 'web'))
  await settle()
  link.away(true)
  assert.equal(agent.authority.state.current.fault, 'connection refused')
  await clock.advance(HOUR - 1)
  assert(lease.current !== undefined)
  assert.match(lease.fault ?? '', /connection refused/)
  await clock.advance(1)
  assert.equal(lease.current, undefined)
  assert.equal(agent.identities.missing(), 1)
  link.away(false)
  await settle()
  assert(lease.current !== undefined, 'what has nothing is signed at once')
})

test('after a server was away for 0.9 of a life, SVIDs are signed anew with no burst above twice the mean', async (t) => {
  const { clock, link, agent } = await setting(t)
  const count = 200
  const entries = Array.from({ length: count }, (_, at) => serverEntry(`e${at}`))
  link.serve(entries)
  const leases = entriesOf(agent).map((entry) => agent.identities.acquire(entry))
  await settle(30)
  assert.equal(agent.identities.missing(), 0)
  link.away(true)
  await clock.advance(0.9 * HOUR)
  const back = clock.now()
  const before = link.asked.length
  assert.equal(before, count, 'a server that is away is not asked by those that can wait')
  link.away(false)
  for (let left = 0.1 * HOUR; left > 0; left -= 5_000) {
    assert.equal(agent.identities.missing(), 0, 'none expires meanwhile')
    await clock.advance(5_000)
  }
  const times = link.asked.slice(before).map(({ at }) => at - back)
  assert(times.length >= count, `${times.length} were signed`)
  const bins = 10
  const window = 0.08 * HOUR
  const perBin = Array.from(
    { length: bins },
    (_, bin) => times.filter((at) => Math.floor((at / window) * bins) === bin).length,
  )
  const mean = count / bins
  assert(Math.max(...perBin) <= 2 * mean, perBin.join(' '))
  assert.equal(leases.filter(({ current }) => current === undefined).length, 0)
})

test('createRemoteSupply() asks near the end of a life, whatever is said of the server', async (t) => {
  const { clock, link, agent } = await setting(t)
  link.serve([serverEntry('web')])
  const lease = agent.identities.acquire(named(agent, 'web'))
  await settle()
  const first = lease.current
  // What is told of the link is wrong: it signs.
  link.signX509 = ((signX509) => async (request) => {
    link.state.set(UP)
    const signed = await signX509(request)
    link.state.set({ ...UP, fault: 'the stream of changes ended' })
    return signed
  })(link.signX509)
  link.away(true)
  await clock.advance(0.94 * HOUR)
  assert.equal(lease.current, first)
  await clock.advance(0.05 * HOUR)
  assert(lease.current !== undefined)
  assert.notEqual(lease.current, first)
})
