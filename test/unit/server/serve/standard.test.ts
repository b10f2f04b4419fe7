import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Health, HealthCheckResponse_ServingStatus as Status } from '#grpc/health/v1/health_pb.js'
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { createFeed } from '../../../../src/runtime/feed.ts'
import { status } from '../../../../src/runtime/grpc-status.ts'
import { createStandardServices } from '../../../../src/server/serve/standard.ts'
import { slotView } from '../../../fakes/authority.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { callsOf } from './called.ts'

test('Check: the server and its services are served while X.509 and JWT can both be signed', async () => {
  const clock = createManualClock()
  const ending = (lifeMs: number) => ({
    slots: [slotView('old', { status: 'old' }), slotView('a', { notAfter: clock.now() + lifeMs })],
  })
  const [x509, jwt] = [createFeed(ending(2_000)), createFeed(ending(1_000))]
  const issuing = { x509: { state: x509 }, jwt: { state: jwt } } as never
  const service = createStandardServices({ clock, issuing, services: [SVID] })
  const call = callsOf(service)
  const check = async (name: string) => (await call(Health.method.check, { service: name })).status
  assert.deepEqual(
    [await check(''), await check(SVID.typeName), await check(Health.typeName)],
    [Status.SERVING, Status.SERVING, Status.SERVING],
  )
  await assert.rejects(check('nobody'), { code: status.NOT_FOUND })
  await clock.advance(1_000)
  assert.deepEqual(
    [await check(''), await check(SVID.typeName)],
    [Status.NOT_SERVING, Status.NOT_SERVING],
  )
  assert.equal(await check(Health.typeName), Status.SERVING)
  jwt.set(ending(60_000))
  assert.equal(await check(''), Status.SERVING)
  await clock.advance(1_000)
  assert.equal(await check(''), Status.NOT_SERVING)
  service.close()
  assert.equal(clock.pending, 0)
})

test('Check: what ends while the status is looked at, or by a clock that jumps, is served no longer', async () => {
  const still = createManualClock()
  let goesOn = 0
  // A millisecond later each time it is asked.
  const clock = { ...still, now: () => still.now() + goesOn++ }
  const state = createFeed({ slots: [slotView('a', { notAfter: still.now() + 3 })] })
  const far = createFeed({ slots: [slotView('b')] })
  const issuing = { x509: { state }, jwt: { state: far } } as never
  const service = createStandardServices({ clock, issuing, services: [] })
  const call = callsOf(service)
  const check = async () => (await call(Health.method.check, { service: '' })).status
  await still.advance(10)
  assert.equal(await check(), Status.NOT_SERVING)
  state.set({ slots: [slotView('a', { notAfter: still.now() + 3_600_000 })] })
  assert.equal(await check(), Status.SERVING)
  still.jump(4_000_000)
  await still.advance(10_000)
  assert.equal(await check(), Status.NOT_SERVING)
  still.jump(-4_000_000)
  await still.advance(10_000)
  assert.equal(await check(), Status.SERVING)
  service.close()
  assert.equal(still.pending, 0)
})
