import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rotateJwtKey } from '../../../../../src/agent/serve/admin/rotation.ts'
import { jwtSetting, kinds, MINUTE } from '../../../../contract/jwt-authorities.ts'

const [kind] = kinds

test('rotateJwtKey: the next key is told with when it signs; asked for again it is the same', async () => {
  assert(kind !== undefined)
  const { clock, open } = jwtSetting(kind)
  const authority = await open()
  const active = authority.state.current.slots[0]?.authorityId
  const report = await rotateJwtKey(authority, false)
  assert.equal(report.activeAuthorityId, active)
  const due = (report.prepared?.activatesAt ?? 0) - clock.now()
  assert.ok(Math.abs(due - 5 * MINUTE) < 1_000, String(due))
  assert.deepEqual(await rotateJwtKey(authority, false), report)
  await authority.close()
})

test('rotateJwtKey: now, it signs at once, and nothing is left to wait for', async () => {
  assert(kind !== undefined)
  const { open } = jwtSetting(kind)
  const authority = await open()
  const before = authority.state.current.slots[0]?.authorityId
  const { activeAuthorityId, prepared } = await rotateJwtKey(authority, true)
  assert.notEqual(activeAuthorityId, before)
  assert.equal(prepared, undefined)
  assert.deepEqual(
    authority.state.current.slots.map(({ status }) => status),
    ['old', 'active'],
  )
  await authority.close()
})
