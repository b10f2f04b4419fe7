/** Where an authority is tainted or a clock jumps, all agents have theirs signed anew: nobody waits for nothing, and not all at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Lease } from '../../../../src/agent/obtain/identities.ts'
import { slotView, unavailable } from '../../../fakes/authority.ts'
import { settle } from '../../../fakes/clock.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { entry, HOUR, MINUTE, setting } from './setting.ts'
import type { Setting } from './setting.ts'

const OLD_TAINTED = { anchors: [], slots: [slotView('a', { status: 'tainted' }), slotView('b')] }
const OLD_GONE = { anchors: [], slots: [slotView('b')] }

interface Many extends Setting {
  readonly leases: readonly Lease[]
  /** What signed each. */
  signers(): readonly (string | undefined)[]
}

async function many(t: TestContext, count: number): Promise<Many> {
  const made = setting(t, createSeededRandom(count), { spreads: true })
  const leases = Array.from({ length: count }, (_, at) => made.identities.acquire(entry(`e${at}`)))
  await settle(20)
  return { ...made, leases, signers: () => leases.map(({ current }) => current?.svid.authorityId) }
}

const countOf = (all: readonly (string | undefined)[], one: string): number =>
  all.filter((each) => each === one).length

test('authority whose CA is tainted: the first few at once, the others over a second each, and none is ever missing', async (t) => {
  const { clock, authority, identities, signers } = await many(t, 54)
  authority.signWith('b')
  authority.state.set(OLD_TAINTED)
  await settle(20)
  assert.equal(countOf(signers(), 'b'), 4)
  const done: number[] = []
  for (let second = 0; second < 50; second++) {
    await clock.advance(1_000)
    assert.equal(identities.missing(), 0)
    done.push(countOf(signers(), 'b'))
  }
  assert.equal(done.at(-1), 54, done.join(' '))
  const inOneSecond = done.map((count, at) => count - (done[at - 1] ?? 4))
  assert(Math.max(...inOneSecond) <= 12, inOneSecond.join(' '))
  assert(done[24]! > 14 && done[24]! < 44, done.join(' '))
  assert.equal(authority.requests.length, 2 * 54, 'each once')
})

test('authority whose CA is tainted: lives that end soon are not waited with', async (t) => {
  const { clock, authority, identities, signers } = await many(t, 54)
  authority.failure = unavailable()
  await clock.advance(HOUR - 20_000)
  authority.failure = undefined
  authority.signWith('b')
  authority.state.set(OLD_TAINTED)
  for (let second = 0; second < 5; second++) {
    await clock.advance(1_000)
    assert.equal(identities.missing(), 0)
  }
  assert.equal(countOf(signers(), 'b'), 54)
})

test('authority whose CA is tainted and then taken away: what waited is signed at once', async (t) => {
  const { clock, authority, signers } = await many(t, 54)
  authority.signWith('b')
  authority.state.set(OLD_TAINTED)
  await clock.advance(1_000)
  assert(countOf(signers(), 'a') > 20)
  authority.state.set(OLD_GONE)
  await settle(20)
  assert.equal(countOf(signers(), 'b'), 54)
})

test('authority whose CA is tainted while it fails: what waits for it is signed soon after it heals, not over what is left of its life', async (t) => {
  const { clock, authority, signers } = await many(t, 54)
  authority.failure = unavailable()
  authority.signWith('b')
  authority.state.set({ ...OLD_TAINTED, fault: 'away' })
  await clock.advance(MINUTE)
  assert.equal(countOf(signers(), 'a'), 54)
  authority.failure = undefined
  authority.state.set(OLD_TAINTED)
  await clock.advance(50_000)
  assert.equal(countOf(signers(), 'b'), 54)
})

test('authority whose CA is tainted: what nobody uses is not signed anew, and is told to be gone', async (t) => {
  const { authority, identities, leases, changes } = await many(t, 2)
  leases[0]?.release()
  const told = changes.length
  authority.signWith('b')
  authority.state.set(OLD_TAINTED)
  await settle()
  assert.deepEqual(
    identities.current().map(({ entry: { id }, svid }) => [id, svid.authorityId]),
    [['e1', 'b']],
  )
  assert(changes.slice(told).includes('e0'))
  assert.equal(authority.requests.length, 3)
})

test('what comes signed by a CA that was tainted meanwhile is used, and signed anew at once', async (t) => {
  const { authority, identities } = setting(t, createSeededRandom(1), { spreads: true })
  authority.held = true
  const lease = identities.acquire(entry('web'))
  await settle()
  authority.state.set(OLD_TAINTED)
  authority.held = false
  await settle()
  // It is still signed by a: what signs so is not asked over and over.
  assert.equal(lease.current?.svid.authorityId, 'a')
  assert.equal(authority.requests.length, 2)
  await settle(50)
  assert.equal(authority.requests.length, 2)
})

test('clock set forward past many renewal instants: the first few at once, the others over a second each', async (t) => {
  const { clock, authority, identities, events } = await many(t, 54)
  clock.jump(0.7 * HOUR)
  await clock.advance(10_000)
  await settle(20)
  const renewed = () => authority.requests.length - 54
  assert.equal(renewed(), 4)
  for (let second = 0; second < 50; second++) {
    await clock.advance(1_000)
    assert.equal(identities.missing(), 0)
    if (second === 24) assert(renewed() > 10 && renewed() < 44, String(renewed()))
  }
  assert.equal(renewed(), 54)
  assert.equal(events.filter(({ kind }) => kind === 'expired').length, 0)
})

test('clock set forward near the end of many lives: they are renewed in a quarter of what is left; past it, at once', async (t) => {
  const { clock, authority, identities } = await many(t, 54)
  clock.jump(HOUR - 30_000)
  await clock.advance(10_000)
  await clock.advance(5_000)
  assert.equal(authority.requests.length, 2 * 54)
  assert.equal(identities.missing(), 0)
  clock.jump(2 * HOUR)
  await clock.advance(10_000)
  await settle(20)
  assert.equal(authority.requests.length, 3 * 54)
  assert.equal(identities.missing(), 0)
})
