import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { IssuedJwtSvid, JwtAuthority } from '../../src/authority/jwt/jwt-authority.ts'
import { createJwtSlotStore, parseJwtSlots } from '../../src/authority/jwt/jwt-slot.ts'
import { createJwtAuthority } from '../../src/authority/jwt/jwt-slots.ts'
import { createJwtVerifier } from '../../src/jwt/verify.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../fakes/clock.ts'
import type { ManualClock } from '../fakes/clock.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { createStateFile } from '../fakes/state-file.ts'
import type { MemoryStateFile } from '../fakes/state-file.ts'
import { FULL } from './full.ts'

/**
 * Random histories of a JWT authority with its file: time passes, the machine sleeps, the clock is set, the process is
 * killed at any moment, the disk is full and has space again, keys are replaced by hand. After every step each token that
 * was ever issued and has not ended is verified with what is published then.
 */
type Step =
  | { readonly kind: 'pass' | 'sleep' | 'back'; readonly ms: number }
  | { readonly kind: 'issue'; readonly ttlMs: number }
  | { readonly kind: 'crash' | 'prepare' | 'activate' | 'replace' }
  | { readonly kind: 'disk'; readonly full: boolean }

const KEY_TTL = 3_600_000
const runs = FULL ? 2_000 : 200

const of = <K extends string>(kind: K) => fc.constant(kind)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: of('pass'), ms: fc.nat(60_000) }) },
  { weight: 5, arbitrary: fc.record({ kind: of('sleep'), ms: fc.nat(KEY_TTL / 4) }) },
  { weight: 1, arbitrary: fc.record({ kind: of('sleep'), ms: fc.nat(KEY_TTL * 4) }) },
  { weight: 1, arbitrary: fc.record({ kind: of('back'), ms: fc.nat(KEY_TTL * 2) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: of('issue'),
      ttlMs: fc.integer({ min: 10_000, max: KEY_TTL * 4 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'crash' as const,
        'prepare' as const,
        'activate' as const,
        'replace' as const,
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: of('disk'), full: fc.boolean() }) },
)

const trustDomain = parseTrustDomain('example.org')
const spiffeId = parseSpiffeId('spiffe://example.org/web')

interface World {
  readonly clock: ManualClock
  readonly file: MemoryStateFile
  authority: JwtAuthority
  /** Issued, and not ended at any moment since. */
  tokens: IssuedJwtSvid[]
}

function open(clock: ManualClock, file: MemoryStateFile, life: number): Promise<JwtAuthority> {
  return createJwtAuthority({
    trustDomain,
    keyType: 'ec-p256',
    keyTtlMs: KEY_TTL,
    clock,
    random: createSeededRandom(life),
    store: createJwtSlotStore(file, trustDomain),
  })
}

const keptIn = (file: MemoryStateFile): readonly string[] =>
  file.text === undefined
    ? []
    : parseJwtSlots(file.text, trustDomain).map(({ authorityId }) => authorityId)

async function take(world: World, action: Step, life: number): Promise<void> {
  const { clock, file, authority } = world
  switch (action.kind) {
    case 'pass':
      return clock.advance(action.ms)
    case 'sleep':
      clock.jump(action.ms)
      return clock.advance(10_000)
    case 'back':
      clock.jump(-action.ms)
      return clock.advance(10_000)
    case 'issue': {
      const svid = await authority.issue({ spiffeId, audience: ['a'], ttlMs: action.ttlMs })
      assert.ok(svid.issuedAt <= clock.now() && clock.now() < svid.expiresAt)
      const { keys, slots } = authority.state.current
      const slot = slots.find(({ authorityId }) => authorityId === svid.authorityId)
      assert.ok(svid.expiresAt <= (slot?.notAfter ?? 0), 'it does not outlive its key')
      assert.ok(
        keys.some((key) => key['kid'] === svid.authorityId),
        'its key is published',
      )
      if (file.writeFault === undefined)
        assert.ok(keptIn(file).includes(svid.authorityId), 'its key is stored')
      world.tokens.push(svid)
      return
    }
    case 'disk':
      file.writeFault = action.full ? new Error('no space left on device') : undefined
      return clock.advance(11_000)
    case 'crash': {
      // Nothing of the process is left but its file: its timers never fire.
      const kept = keptIn(file)
      await authority.close()
      world.authority = await open(clock, file, life)
      // Signed in an emergency with a key that a full disk did not take: lost with the process, as the fault has said.
      world.tokens = world.tokens.filter(({ authorityId }) => kept.includes(authorityId))
      return
    }
    case 'prepare':
    case 'replace':
      return authority[action.kind]()
    case 'activate':
      return authority.activate().catch((thrown: unknown) => {
        assert.match(String(thrown), /no authority is prepared|may not sign/)
      })
  }
}

async function check(world: World): Promise<void> {
  const { clock, authority } = world
  const now = clock.now()
  world.tokens = world.tokens.filter(({ expiresAt }) => now < expiresAt)
  const { keys, slots } = authority.state.current
  assert.ok(slots.filter(({ status }) => status === 'active').length <= 1)
  assert.ok(slots.length < 20, `${slots.length} slots`)
  assert.equal(new Set(keys.map((key) => key['kid'])).size, keys.length)
  const bundles = new Map([
    [trustDomain, { trustDomain, x509Authorities: [], jwtAuthorities: keys }],
  ])
  const verifier = createJwtVerifier()
  for (const { token } of world.tokens)
    await verifier.verify(token, { audience: 'a', bundles, now })
}

test('JwtAuthority: over random histories every token verifies with what is published, for all of its life', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const [clock, file] = [createManualClock(), createStateFile()]
      const world: World = { clock, file, authority: await open(clock, file, 0), tokens: [] }
      try {
        for (const [life, action] of steps.entries()) {
          await take(world, action, life)
          await check(world)
        }
      } finally {
        await world.authority.close()
      }
    }),
    { numRuns: runs },
  )
})
