import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { activated, publishDelay, rotate, usable } from '../../src/authority/slots/rotation.ts'
import type { RotatingSlot } from '../../src/authority/slots/rotation.ts'
import { revoked, tainted } from '../../src/authority/slots/withdrawal.ts'
import { SpindleError } from '../../src/runtime/errors.ts'
import { FULL } from './full.ts'

/**
 * Random histories of an authority's slots: time passes, the machine sleeps, the clock is set forward or back,
 * SVIDs are issued, authorities are tainted and revoked, storing fails and recovers. After every step the promises of rotation are checked.
 */
interface World {
  now: number
  slots: readonly RotatingSlot[]
  made: number
  stores: boolean
  svids: { authorityId: string; notAfter: number }[]
  /** By what was asked, not by the slots. */
  tainted: Set<string>
  revoked: Set<string>
}

type Step =
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'back'; readonly ms: number }
  | { readonly kind: 'issue'; readonly ttlMs: number }
  | { readonly kind: 'storing'; readonly works: boolean }
  | { readonly kind: 'taint' | 'revoke'; readonly which: number }

const CA_TTL = 86_400_000
const runs = FULL ? 20_000 : 2_000

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(10_000) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(CA_TTL / 4) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(CA_TTL * 4) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('back' as const), ms: fc.nat(CA_TTL * 2) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('issue' as const),
      ttlMs: fc.integer({ min: 10_000, max: CA_TTL / 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('storing' as const), works: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('taint' as const, 'revoke' as const),
      which: fc.nat(5),
    }),
  },
)

const worldAt = (now: number): World => ({
  now,
  slots: [],
  made: 0,
  stores: true,
  svids: [],
  tainted: new Set(),
  revoked: new Set(),
})

function prepared(world: World): RotatingSlot {
  return {
    authorityId: `ca-${world.made++}`,
    status: 'prepared',
    notBefore: world.now - 10_000,
    notAfter: world.now + CA_TTL,
    publishedAt: world.stores ? world.now : undefined,
  }
}

function mayActivateEarly(world: World): boolean {
  const active = world.slots.find((slot) => slot.status === 'active')
  if (active === undefined || !usable(active, world.now)) return true
  return active.notAfter - world.now <= (active.notAfter - active.notBefore) / 12
}

/** Does what rotate says until it says nothing more, checking each activation. */
function settle(world: World): void {
  for (let round = 0; round < 10; round++) {
    const { actions, lookAt } = rotate(world.slots, world.now, { furthest: world.now + CA_TTL })
    if (actions.length === 0) {
      assert.ok(lookAt > world.now, 'the next look lies ahead')
      return
    }
    for (const action of actions) {
      if (action.kind === 'prepare') world.slots = [...world.slots, prepared(world)]
      else if (action.kind === 'prune') {
        world.slots = world.slots.filter((slot) => slot.authorityId !== action.authorityId)
      } else {
        const slot = world.slots.find((each) => each.authorityId === action.authorityId)
        assert.ok(slot !== undefined && slot.status === 'prepared')
        const published =
          slot.publishedAt !== undefined && world.now >= slot.publishedAt + publishDelay(slot)
        assert.ok(published || mayActivateEarly(world), 'signs before it was out for long enough')
        world.slots = activated(world.slots, action.authorityId)
      }
    }
  }
  assert.fail('rotation does not come to rest')
}

function check(world: World): void {
  const active = world.slots.filter((slot) => slot.status === 'active')
  assert.equal(active.length, 1, 'exactly one signs')
  const signer = active[0] as RotatingSlot
  assert.ok(usable(signer, world.now), 'what signs is valid now')
  const left = signer.notAfter - world.now
  assert.ok(left >= CA_TTL / 12, `what signs has life left: ${left}`)
  for (const slot of world.slots) {
    const { authorityId, status } = slot
    assert.equal(
      status === 'tainted',
      world.tainted.has(authorityId),
      `${authorityId} is ${status}`,
    )
    assert.ok(!world.revoked.has(authorityId), `${authorityId} is back`)
  }
  for (const svid of world.svids) {
    if (svid.notAfter <= world.now || world.revoked.has(svid.authorityId)) continue
    assert.ok(
      world.slots.some((slot) => slot.authorityId === svid.authorityId),
      `the anchor of an SVID that is still valid was dropped: ${svid.authorityId}`,
    )
  }
}

function withdraw(world: World, action: Step & { readonly which: number }): void {
  const { kind, which } = action
  const slot = world.slots[which % world.slots.length]
  assert.ok(slot !== undefined)
  const { authorityId, status } = slot
  const allowed = status === 'old' || status === 'tainted'
  try {
    world.slots = (kind === 'taint' ? tainted : revoked)(world.slots, authorityId)
    assert.ok(allowed, `${kind} of one that is ${status}`)
    const asked = kind === 'taint' ? world.tainted : world.revoked
    asked.add(authorityId)
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    assert.ok(!allowed, thrown.message)
  }
}

function take(world: World, action: Step): void {
  if ('which' in action) return withdraw(world, action)
  if (action.kind === 'pass') world.now += action.ms
  // SVIDs of the time before are re-issued when the clock is set back (agent/obtain), so none is relied on.
  else if (action.kind === 'back') {
    world.now -= action.ms
    world.svids = []
  } else if (action.kind === 'storing') {
    world.stores = action.works
    if (!world.stores) return
    world.slots = world.slots.map((slot) => ({
      ...slot,
      publishedAt: slot.publishedAt ?? world.now,
    }))
  } else {
    const signer = world.slots.find((slot) => slot.status === 'active') as RotatingSlot
    const notAfter = Math.min(world.now + action.ttlMs, signer.notAfter)
    world.svids.push({ authorityId: signer.authorityId, notAfter })
  }
}

test('rotate: over random histories one valid authority signs, after its anchor was out, and no needed anchor is dropped but by revoking', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = worldAt(CA_TTL * 100)
      settle(world)
      for (const action of steps) {
        take(world, action)
        settle(world)
        check(world)
      }
    }),
    { numRuns: runs },
  )
})

test('rotate: looked at every ten seconds, an SVID never has less than a sixth of the CA life to be valid for', () => {
  const world = worldAt(0)
  let least = Infinity
  for (let looks = 0; looks < 5 * (CA_TTL / 10_000); looks++) {
    settle(world)
    const signer = world.slots.find((slot) => slot.status === 'active') as RotatingSlot
    least = Math.min(least, signer.notAfter - world.now)
    assert.ok(world.slots.length <= 6, `${world.slots.length} slots`)
    world.now += 10_000
  }
  assert.ok(least >= CA_TTL / 6 - 10_000, String(least))
})
