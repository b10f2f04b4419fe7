import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import { until } from '../fakes/until.ts'
import { HOUR, idOf, statuses } from './authorities.ts'
import { forEachSigner } from './signers.ts'

forEachSigner((kind) => {
  describe(`An authority: ${kind.name}`, () => {
    test('issue: what is signed never outlives what signed it', async () => {
      const { open, sign } = kind.setting()
      const authority = await open()
      const { expiresAt } = await sign(authority, { ttlMs: 100 * kind.lifeMs })
      const active = authority.state.current.slots.find((slot) => slot.status === 'active')
      assert.equal(expiresAt, active?.notAfter)
      await authority.close()
    })

    test('issue: refuses an ID of another trust domain, and the trust domain itself', async () => {
      const { open, sign } = kind.setting()
      const authority = await open()
      for (const id of [
        'spiffe://other.test/web',
        'spiffe://example.org.test/a',
        'spiffe://example.org',
      ]) {
        const wanted = sign(authority, { spiffeId: parseSpiffeId(id) })
        await assert.rejects(wanted, { code: 'request_invalid' }, id)
      }
      await authority.close()
    })

    test('prepare, activate: the next is told before it signs, and what the one before signed stays valid', async () => {
      const { open, sign } = kind.setting()
      const authority = await open()
      const before = await sign(authority)
      await authority.prepare()
      const prepared = idOf(authority.state.current, 'prepared')
      assert.deepEqual(statuses(authority.state.current), ['active', 'prepared'])
      assert.equal((await sign(authority)).authorityId, before.authorityId)

      await authority.activate()
      assert.deepEqual(statuses(authority.state.current), ['old', 'active'])
      const after = await sign(authority)
      assert.equal(after.authorityId, prepared)
      await before.check(authority)
      await after.check(authority)
      await authority.close()
    })

    test('prepare: asked for many times at once, one is prepared', async () => {
      const { open } = kind.setting()
      const authority = await open()
      await Promise.all([authority.prepare(), authority.prepare(), authority.prepare()])
      assert.deepEqual(statuses(authority.state.current), ['active', 'prepared'])
      await authority.close()
    })

    test('activate: is refused where none is prepared', async () => {
      const { open } = kind.setting()
      const authority = await open()
      await assert.rejects(authority.activate(), { code: 'authority_unavailable' })
      assert.deepEqual(statuses(authority.state.current), ['active'])
      await authority.close()
    })

    test('rotation: by the clock it prepares at half of the life and activates at five sixths', async () => {
      const { clock, open } = kind.setting()
      const authority = await open()
      const first = idOf(authority.state.current, 'active')
      const start = clock.now()
      await clock.advance(kind.lifeMs / 2 - 30_000)
      assert.deepEqual(statuses(authority.state.current), ['active'])
      await clock.advance(60_000)
      const state = await until(authority.state, (now) => now.slots.length === 2)
      assert.deepEqual(statuses(state), ['active', 'prepared'])
      const due = state.slots[1]?.activatesAt ?? 0
      // Its life begins 10 s back, so its fractions lie a little earlier.
      assert.ok(Math.abs(due - start - (kind.lifeMs * 5) / 6) < 10_000, String(due - start))
      await clock.advance(due - clock.now() - 1_000)
      assert.equal(idOf(authority.state.current, 'active'), first)
      await clock.advance(20_000)
      await until(authority.state, (now) => idOf(now, 'old') === first)
      await authority.close()
    })

    test('rotation: after a sleep past the end of its life, what is asked for first is signed', async () => {
      const { clock, open, sign } = kind.setting()
      const authority = await open()
      clock.jump(3 * kind.lifeMs)
      const signed = await sign(authority)
      assert.equal(signed.expiresAt, clock.now() + kind.ttlMs)
      await signed.check(authority)
      await authority.close()
    })

    test('rotation: after the clock went back before its life, what is asked for first is valid then', async () => {
      const { clock, open, sign } = kind.setting()
      const authority = await open()
      clock.jump(-30 * 24 * HOUR)
      await (await sign(authority)).check(authority)
      await authority.close()
    })

    test('close: nothing is signed any more, and no timer is left', async () => {
      const { clock, open, sign } = kind.setting()
      const authority = await open()
      await authority.close()
      assert.equal(clock.pending, 0)
      await assert.rejects(sign(authority), { code: 'authority_unavailable' })
      await assert.rejects(authority.prepare(), { code: 'authority_unavailable' })
    })
  })
})
