/** Tainting and revoking are the same for X.509 and JWT authorities. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../fakes/until.ts'
import { CA_TTL } from './authorities.ts'
import type { Rotating } from './signers.ts'
import { forEachWithdrawing } from './signers.ts'

const slots = (authority: Rotating): readonly (readonly [string, string])[] =>
  authority.state.current.slots.map(({ authorityId, status }) => [authorityId, status] as const)
const statuses = (authority: Rotating): readonly string[] =>
  slots(authority).map(([, status]) => status)
const idOf = (authority: Rotating, status: string): string =>
  authority.state.current.slots.find((slot) => slot.status === status)?.authorityId ?? ''

async function rotated<Authority extends Rotating>(
  open: () => Promise<Authority>,
): Promise<Authority> {
  const authority = await open()
  await authority.prepare()
  await authority.activate()
  return authority
}

forEachWithdrawing((kind) => {
  describe(`Withdrawals: ${kind.name}`, () => {
    test('taint: what the old one signed is verified until it is revoked, and then no more', async () => {
      const made = kind.setting()
      const { events } = made
      const authority = await made.open()
      const { check } = await made.sign(authority)
      await authority.prepare()
      await authority.activate()
      const old = idOf(authority, 'old')
      await authority.taint(old)
      assert.deepEqual(statuses(authority), ['tainted', 'active'])
      await check(authority)
      await authority.revoke(old)
      assert.deepEqual(statuses(authority), ['active'])
      await assert.rejects(check(authority))
      const next = await made.sign(authority)
      await next.check(authority)
      assert.deepEqual(
        events.flatMap((event) => ('authorityId' in event ? [event.kind] : [])).slice(-2),
        ['tainted', 'revoked'],
      )
      assert.deepEqual(
        events.filter((event) => 'authorityId' in event && event.authorityId === old).at(-1)?.kind,
        'revoked',
      )
      await authority.close()
    })

    test('taint: of the active, a prepared, an unknown or no authority is refused, and changes nothing', async () => {
      const { open, file } = kind.setting()
      const authority = await rotated(open)
      await authority.prepare()
      const { writes } = file
      const before = slots(authority)
      const refusals = [
        [idOf(authority, 'active'), /^unable to taint current local authority$/],
        [idOf(authority, 'prepared'), /^only Old local authorities can be tainted: .*PREPARED$/],
        ['unknown', /^unexpected authority ID$/],
        ['', /^no authority ID provided$/],
      ] as const
      for (const [id, message] of refusals)
        await assert.rejects(authority.taint(id), { code: 'request_invalid', message })
      assert.deepEqual(slots(authority), before)
      assert.equal(file.writes, writes)
      await authority.close()
    })

    test('revoke: of the active, a prepared, an unknown or no authority is refused; an old one need not be tainted', async () => {
      const { open } = kind.setting()
      const authority = await rotated(open)
      await authority.prepare()
      const refusals = [
        [idOf(authority, 'active'), /: unable to use current authority$/],
        [idOf(authority, 'prepared'), /: only Old local authority can be revoked$/],
        ['unknown', /: only Old local authority can be revoked$/],
        ['', /: no authority ID provided$/],
      ] as const
      for (const [id, message] of refusals)
        await assert.rejects(authority.revoke(id), { code: 'request_invalid', message })
      await authority.revoke(idOf(authority, 'old'))
      assert.deepEqual(statuses(authority), ['active', 'prepared'])
      await authority.close()
    })

    test('taint: asked for again it is told once; a restart keeps it, in a form versions before read as old', async () => {
      const { open, file, events } = kind.setting()
      const first = await rotated(open)
      const old = idOf(first, 'old')
      await Promise.all([first.taint(old), first.taint(old)])
      assert.equal(events.filter((event) => event.kind === 'tainted').length, 1)
      await first.close()
      const stored = JSON.parse(file.text ?? '') as { slots: Record<string, unknown>[] }
      const { status, tainted, key } = stored.slots[0] ?? {}
      assert.deepEqual([status, tainted, key], ['old', true, undefined])

      const second = await open()
      assert.deepEqual(slots(second), slots(first))
      await second.revoke(old)
      await second.close()
      const third = await open()
      assert.deepEqual(slots(third), slots(second))
      await third.close()
    })

    test('storing fails: it holds, whoever asked is told that it is not stored, and it is stored later', async () => {
      const { clock, open, file } = kind.setting()
      const authority = await rotated(open)
      const old = idOf(authority, 'old')
      file.writeFault = new Error('no space left on device')
      await assert.rejects(authority.taint(old), {
        code: 'authority_unavailable',
        message: /is tainted, but .*no space left/,
      })
      assert.deepEqual(statuses(authority), ['tainted', 'active'])
      await assert.rejects(authority.revoke(old), /is revoked, but .*no space left/)
      assert.deepEqual(statuses(authority), ['active'])
      file.writeFault = undefined
      await clock.advance(11_000)
      await until(authority.state, (state) => state.fault === undefined)
      await authority.close()
      const again = await open()
      assert.deepEqual(slots(again), slots(authority))
      await again.close()
    })

    test('rotation: a tainted one is dropped in the end, as an old one is', async () => {
      const { clock, open } = kind.setting()
      const authority = await rotated(open)
      const old = idOf(authority, 'old')
      await authority.taint(old)
      await clock.advance(2 * CA_TTL - 60_000)
      assert.ok(slots(authority).some(([id, status]) => id === old && status === 'tainted'))
      await clock.advance(2 * CA_TTL + 120_000)
      await until(authority.state, (state) =>
        state.slots.every(({ authorityId }) => authorityId !== old),
      )
      await authority.close()
    })
  })
})
