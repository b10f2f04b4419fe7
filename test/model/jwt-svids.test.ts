import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createJwtSvids } from '../../src/agent/obtain/jwt-svids.ts'
import type { JwtSvids } from '../../src/agent/obtain/jwt-svids.ts'
import type { IssuedJwtSvid } from '../../src/authority/jwt/jwt-authority.ts'
import { createFakeJwtAuthority, slotView, unavailable } from '../fakes/authority.ts'
import type { FakeJwtAuthority } from '../fakes/authority.ts'
import { createManualClock } from '../fakes/clock.ts'
import type { ManualClock } from '../fakes/clock.ts'
import { entry } from '../unit/agent/obtain/setting.ts'
import { FULL } from './full.ts'

/** Random histories of the tokens that are kept, against a list that is searched from end to end. */
type Step =
  | { readonly kind: 'fetch'; readonly entry: number; readonly audience: readonly string[] }
  | { readonly kind: 'pass' | 'jump'; readonly ms: number }
  | { readonly kind: 'fail'; readonly fails: boolean }
  | { readonly kind: 'key'; readonly id: string; readonly known: readonly string[] }

const TTL = 300_000
const MOST = 3
const runs = FULL ? 5_000 : 500
const KEYS = ['a', 'b', 'c']

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('fetch' as const),
      entry: fc.nat(1),
      audience: fc.array(fc.constantFrom('x', 'y', 'x","y'), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(TTL) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('jump' as const),
      ms: fc.integer({ min: -TTL, max: TTL }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fail' as const), fails: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('key' as const),
      id: fc.constantFrom(...KEYS),
      known: fc.subarray(KEYS),
    }),
  },
)

const web = entry('web')
const api = entry('api', { jwtSvidTtlMs: TTL / 3 })

interface Kept {
  readonly entry: number
  readonly audience: ReadonlySet<string>
  readonly svid: IssuedJwtSvid
}

interface World {
  readonly clock: ManualClock
  readonly authority: FakeJwtAuthority
  readonly svids: JwtSvids
  /** Last used last. */
  kept: readonly Kept[]
}

const sameSet = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  one.size === other.size && [...one].every((each) => other.has(each))

/** 0 when it was signed, 1 at its end. */
const ageOf = ({ issuedAt, expiresAt }: IssuedJwtSvid, now: number): number =>
  (now - issuedAt) / (expiresAt - issuedAt)

async function fetch(world: World, asked: Extract<Step, { kind: 'fetch' }>): Promise<void> {
  const { clock, authority, svids, kept } = world
  const entry = asked.entry === 0 ? web : api
  const audience = new Set(asked.audience)
  const mine = kept.find((each) => each.entry === asked.entry && sameSet(each.audience, audience))
  const others = kept.filter((each) => each !== mine)
  const age = mine === undefined ? NaN : ageOf(mine.svid, clock.now())
  const signed = authority.requests.length
  const got = await svids.fetch(entry, asked.audience).catch(() => undefined)
  if (mine !== undefined && age >= 0 && age < 0.5) {
    assert.equal(got, mine.svid, 'a fresh one is handed out again')
    assert.equal(authority.requests.length, signed)
    world.kept = [...others, mine]
    return
  }
  const last = authority.requests.at(-1)
  assert.deepEqual([last?.spiffeId, new Set(last?.audience)], [entry.spiffeId, audience])
  assert.equal(authority.requests.length, signed + 1)
  if (authority.failure === undefined) {
    assert.ok(got !== undefined && got !== mine?.svid && got.issuedAt === clock.now())
    world.kept = [...others, { entry: asked.entry, audience, svid: got }].slice(-MOST)
  } else {
    const valid = age >= 0 && age < 1
    assert.equal(got, valid ? mine?.svid : undefined, 'the one before, for as long as it is valid')
  }
}

async function take(world: World, step: Step): Promise<void> {
  const { clock, authority } = world
  switch (step.kind) {
    case 'fetch':
      return fetch(world, step)
    case 'pass':
      return clock.advance(step.ms)
    case 'jump':
      return clock.jump(step.ms)
    case 'fail':
      authority.failure = step.fails ? unavailable() : undefined
      return
    case 'key': {
      const known = new Set([...step.known, step.id])
      authority.signWith(step.id)
      authority.state.set({ keys: [], slots: [...known].map((id) => slotView(id)) })
      world.kept = world.kept.filter(({ svid }) => known.has(svid.authorityId))
    }
  }
}

test('JwtSvids: over random histories what is handed out is what a plain list says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = createManualClock()
      const authority = createFakeJwtAuthority(clock)
      const most = { tokens: MOST, bytes: Infinity }
      const svids = createJwtSvids({ authority, clock, ttlMs: TTL, most })
      const world: World = { clock, authority, svids, kept: [] }
      for (const each of steps) {
        await take(world, each)
        assert.equal(svids.size, world.kept.length)
      }
      svids.close()
    }),
    { numRuns: runs },
  )
})
