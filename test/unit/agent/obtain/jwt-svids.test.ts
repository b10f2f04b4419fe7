import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createJwtSvids } from '../../../../src/agent/obtain/jwt-svids.ts'
import type { JwtSvidEvent, JwtSvidsOptions } from '../../../../src/agent/obtain/jwt-svids.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { createFakeJwtAuthority, slotView, unavailable } from '../../../fakes/authority.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { entry, MINUTE } from './setting.ts'

const web = entry('web')
const TTL = 5 * MINUTE

function setting(more: Partial<JwtSvidsOptions> = {}) {
  const clock = createManualClock()
  const authority = createFakeJwtAuthority(clock)
  const events: JwtSvidEvent[] = []
  const onEvent = (event: JwtSvidEvent): void => void events.push(event)
  const svids = createJwtSvids({ authority, clock, ttlMs: TTL, onEvent, ...more })
  const told = (): readonly string[] => events.splice(0).map(({ kind }) => kind)
  return { clock, authority, svids, told, events }
}

test('JwtSvids: the same audiences, in any order and however often named, are one token; others are others', async () => {
  const { authority, svids, told } = setting()
  const first = await svids.fetch(web, ['a', 'b'])
  assert.equal(await svids.fetch(web, ['b', 'a', 'b']), first)
  assert.deepEqual(authority.requests[0], {
    spiffeId: web.spiffeId,
    audience: ['a', 'b'],
    ttlMs: TTL,
  })
  const others = [await svids.fetch(web, ['a']), await svids.fetch(entry('api'), ['a', 'b'])]
  assert.equal(new Set([first, ...others].map(({ token }) => token)).size, 3)
  assert.deepEqual(told(), ['signed', 'cached', 'signed', 'signed'])
})

test('JwtSvids: audiences cannot be written so that they are taken for others', async () => {
  const { svids } = setting()
  const tokens = new Set<string>()
  for (const audience of [['a', 'b'], ['a","b'], ['a,b'], ['["a","b"]']])
    tokens.add((await svids.fetch(web, audience)).token)
  assert.equal(tokens.size, 4)
})

test('JwtSvids: no audience, or an empty one, is refused before anything is signed', async () => {
  const { authority, svids } = setting()
  for (const audience of [[], [''], ['a', '']])
    await assert.rejects(svids.fetch(web, audience), { code: 'request_invalid' })
  assert.equal(authority.requests.length, 0)
})

test('JwtSvids: a token is handed out for half of its life, and then a new one', async () => {
  const { clock, svids } = setting()
  const first = await svids.fetch(web, ['a'])
  await clock.advance(TTL / 2 - 1)
  assert.equal(await svids.fetch(web, ['a']), first)
  await clock.advance(1)
  const second = await svids.fetch(web, ['a'])
  assert.notEqual(second, first)
  assert.equal(await svids.fetch(web, ['a']), second)
})

test('JwtSvids: what the authority refuses to put into a token is refused, and told as no failure', async () => {
  const { authority, svids, told } = setting()
  authority.failure = new SpindleError('request_invalid', 'the audiences are too long')
  await assert.rejects(svids.fetch(web, ['a']), { code: 'request_invalid' })
  assert.deepEqual(told(), [])
})

test('JwtSvids: the life is what the entry says, else what the agent says', async () => {
  const { authority, svids } = setting()
  await svids.fetch({ ...web, jwtSvidTtlMs: 30_000 }, ['a'])
  assert.equal(authority.requests[0]?.ttlMs, 30_000)
})

test('JwtSvids: while nothing can be signed the token of before is handed out until it ends, and never after', async () => {
  const { clock, authority, svids, events, told } = setting()
  const first = await svids.fetch(web, ['a'])
  authority.failure = unavailable('the disk is full')
  await clock.advance(TTL - 1)
  assert.equal(await svids.fetch(web, ['a']), first)
  const failed = events.at(-1)
  assert(failed?.kind === 'failed')
  assert.deepEqual([failed.served, failed.message], [true, 'the disk is full'])
  await clock.advance(1)
  await assert.rejects(svids.fetch(web, ['a']), { code: 'authority_unavailable' })
  authority.failure = undefined
  assert.notEqual(await svids.fetch(web, ['a']), first)
  assert.deepEqual(told(), ['signed', 'failed', 'failed', 'signed'])
})

test('JwtSvids: of many that ask for the same at once, one signs for all; when it fails, all are told', async () => {
  const { authority, svids, told } = setting()
  let go = (): void => {}
  authority.before = new Promise<void>((resolve) => (go = resolve))
  const asked = Array.from({ length: 10 }, () => svids.fetch(web, ['a']))
  go()
  const tokens = new Set((await Promise.all(asked)).map(({ token }) => token))
  assert.deepEqual([tokens.size, authority.requests.length], [1, 1])
  assert.deepEqual(told().toSorted(), [...Array<string>(9).fill('cached'), 'signed'])

  authority.failure = unavailable()
  const outcomes = await Promise.allSettled(asked.map(() => svids.fetch(web, ['b'])))
  assert.ok(outcomes.every(({ status }) => status === 'rejected'))
  assert.equal(authority.requests.length, 2)
  authority.failure = undefined
  await svids.fetch(web, ['b'])
})

test('JwtSvids: what a withdrawn key signed is forgotten, and not handed out where nothing can be signed', async () => {
  const { authority, svids } = setting()
  await svids.fetch(web, ['a'])
  authority.state.set({ keys: [], slots: [slotView('a'), slotView('b')] })
  authority.signWith('b')
  const kept = await svids.fetch(web, ['b'])
  authority.state.set({ keys: [], slots: [slotView('b')] })
  assert.equal(svids.size, 1)
  authority.failure = unavailable()
  await assert.rejects(svids.fetch(web, ['a']))
  assert.equal(await svids.fetch(web, ['b']), kept)
})

test('JwtSvids: what a tainted key signed is forgotten, though its key is still there', async () => {
  const { authority, svids } = setting()
  const before = await svids.fetch(web, ['a'])
  authority.signWith('b')
  const slots = [slotView('a', { status: 'tainted' }), slotView('b')]
  authority.state.set({ keys: [], slots })
  assert.equal(svids.size, 0)
  const after = await svids.fetch(web, ['a'])
  assert.deepEqual([before.authorityId, after.authorityId], ['a', 'b'])
})

test('JwtSvids: what was signed while its key was withdrawn is not kept', async () => {
  const { authority, svids } = setting()
  let go = (): void => {}
  authority.before = new Promise<void>((resolve) => (go = resolve))
  const asked = svids.fetch(web, ['a'])
  authority.state.set({ keys: [], slots: [slotView('b')] })
  go()
  await asked
  assert.equal(svids.size, 0)
})

test('JwtSvids: a clock that jumps ahead ends tokens, and one that is set back makes those of the future void', async () => {
  const { clock, authority, svids } = setting()
  const first = await svids.fetch(web, ['a'])
  clock.jump(TTL)
  const second = await svids.fetch(web, ['a'])
  assert.notEqual(second, first)
  clock.jump(-TTL)
  authority.failure = unavailable()
  await assert.rejects(svids.fetch(web, ['a']), { code: 'authority_unavailable' })
  authority.failure = undefined
  assert.equal((await svids.fetch(web, ['a'])).issuedAt, clock.now())
})

test('JwtSvids: those used last are kept, by their number and by their size', async () => {
  const { svids } = setting({ most: { tokens: 3, bytes: 2_000 } })
  const kept: Record<string, string> = {}
  for (const name of ['a', 'b', 'c']) kept[name] = (await svids.fetch(web, [name])).token
  await svids.fetch(web, ['a'])
  await svids.fetch(web, ['d'])
  assert.equal(svids.size, 3)
  assert.equal((await svids.fetch(web, ['a'])).token, kept['a'])
  assert.notEqual((await svids.fetch(web, ['b'])).token, kept['b'])
  await svids.fetch(web, ['x'.repeat(1_970)])
  assert.equal(svids.size, 1)
  await svids.fetch(web, ['y'.repeat(3_000)])
  assert.equal(svids.size, 0, 'one that is too large by itself is kept by nobody')
})

test('JwtSvids: after close nothing is kept', async () => {
  const { svids } = setting()
  await svids.fetch(web, ['a'])
  svids.close()
  assert.equal(svids.size, 0)
  await svids.fetch(web, ['a'])
  assert.equal(svids.size, 0)
})
