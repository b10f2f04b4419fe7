import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rotateAuthority, rotateJwtKey } from '../../../../../src/agent/serve/admin/rotation.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
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

test('rotateAuthority: the next CA signs once every message of the Workload API has left, and connections have settled', async () => {
  const clock = createManualClock()
  const steps: string[] = []
  const step = (name: string) => async (): Promise<void> => void steps.push(name)
  let unsettled = 1
  let progress = (): void => undefined
  const authority = {
    prepare: step('prepare'),
    activate: step('activate'),
    state: { current: { slots: [] } },
  }
  const sds = { streams: new Set(), pushesWaiting: 0, onProgress: () => () => undefined }
  const workload = {
    streams: new Set(['one']),
    get unsettled() {
      return unsettled
    },
    onProgress(listen: () => void) {
      progress = listen
      return () => void steps.push('unsubscribe')
    },
  }
  const identities = { renewAll: async () => 5 }
  const parts = { authority, identities, sds, workload, clock, publishMs: 30_000 }
  const rotated = rotateAuthority(parts as unknown as Parameters<typeof rotateAuthority>[0])
  await clock.advance(10_000)
  progress()
  assert.deepEqual(steps, ['prepare'])
  unsettled = 0
  progress()
  await clock.advance(999)
  assert.deepEqual(steps, ['prepare', 'unsubscribe'])
  await clock.advance(1)
  assert.equal((await rotated).renewed, 5)
  assert.deepEqual(steps, ['prepare', 'unsubscribe', 'activate'])
  assert.equal(clock.pending, 0)
  // One that reads nothing holds it back no longer than that.
  unsettled = 1
  const late = rotateAuthority(parts as unknown as Parameters<typeof rotateAuthority>[0])
  await clock.advance(31_000)
  await late
})
