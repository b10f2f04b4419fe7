import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StatusObject } from '@grpc/grpc-js'
import type { HealthCheckResponse } from '../../../../../src/gen/grpc/health/v1/health_pb.js'
import { HealthCheckResponse_ServingStatus as Status } from '../../../../../src/gen/grpc/health/v1/health_pb.js'
import { createHealthService } from '../../../../../src/wire/standard/health.ts'
import { createServing } from '../../../../../src/agent/serve/standard/serving.ts'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createFeed } from '../../../../../src/runtime/feed.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { HandCall, methodsOf } from '../hand-call.ts'

interface Slots {
  readonly slots: readonly { readonly status: string; readonly notAfter: number }[]
}

const SDS = 'envoy.service.secret.v3.SecretDiscoveryService'
const WORKLOAD = 'SpiffeWorkloadAPI'

function setUp() {
  const clock = createManualClock()
  const active = (lifeMs: number): Slots => ({
    slots: [
      { status: 'old', notAfter: 2 ** 50 },
      { status: 'active', notAfter: clock.now() + lifeMs },
    ],
  })
  const x509 = createFeed<Slots>(active(10_000))
  const jwt = createFeed<Slots>({ slots: [] })
  const serving = createServing({ x509, jwt, clock })
  const service = createHealthService(serving.statuses)
  const methods = methodsOf(service)
  const check = (name: string): Status | number => {
    let answer: Status | number | undefined
    methods.get('/grpc.health.v1.Health/Check')?.(
      { request: { service: name } },
      (failure: StatusObject | null, response: HealthCheckResponse) =>
        (answer = failure === null ? response.status : failure.code),
    )
    return answer!
  }
  const watch = (name: string) => {
    const call = new HandCall<{ service: string }, HealthCheckResponse>({ service: name })
    methods.get('/grpc.health.v1.Health/Watch')?.(call)
    return { call, told: () => call.written.map((response) => response.status) }
  }
  return { clock, x509, jwt, serving, service, check, watch, active }
}

test('Health.Check says of each service whether its authority signs, and NOT_FOUND of others', async () => {
  const { clock, jwt, check, active } = setUp()
  const all = (): (Status | number)[] => ['', SDS, WORKLOAD].map(check)
  assert.deepEqual(all(), [Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING])
  jwt.set(active(60_000))
  assert.deepEqual(all(), [Status.SERVING, Status.SERVING, Status.SERVING])
  await clock.advance(10_000)
  assert.deepEqual(all(), [Status.NOT_SERVING, Status.NOT_SERVING, Status.NOT_SERVING])
  assert.equal(check('grpc.health.v1.Health'), Status.SERVING)
  assert.equal(check('grpc.reflection.v1.ServerReflection'), Status.SERVING)
  assert.equal(check('Other'), status.NOT_FOUND)
})

test('Health.Watch tells the status at once and each change of it, the newest alone to a client that does not read', async () => {
  const { clock, x509, jwt, watch, active } = setUp()
  const workload = watch(WORKLOAD)
  const unknown = watch('Other')
  assert.deepEqual(workload.told(), [Status.NOT_SERVING])
  assert.deepEqual(unknown.told(), [Status.SERVICE_UNKNOWN])
  jwt.set(active(60_000))
  jwt.set(active(50_000))
  assert.deepEqual(workload.told(), [Status.NOT_SERVING, Status.SERVING], 'nothing twice')

  workload.call.blocked = true
  await clock.advance(10_000)
  assert.equal(workload.told().length, 3, 'an authority that ends is a change')
  x509.set(active(20_000))
  x509.set({ slots: [] })
  x509.set(active(30_000))
  assert.equal(workload.told().length, 3)
  workload.call.blocked = false
  workload.call.flush()
  assert.deepEqual(workload.told().slice(2), [Status.NOT_SERVING, Status.SERVING])
  assert.deepEqual(unknown.told(), [Status.SERVICE_UNKNOWN])
})

test('Health.Watch lets go of a client that has gone, and ends with the agent', () => {
  const { jwt, watch, service, serving, clock, active } = setUp()
  const [gone, stays] = [watch(''), watch('')]
  gone.call.emit('cancelled')
  jwt.set(active(60_000))
  assert.equal(gone.told().length, 1)
  assert.equal(stays.told().length, 2)
  service.endStreams('the agent is shutting down')
  assert.equal(gone.call.status, undefined)
  assert.equal(stays.call.status?.code, status.UNAVAILABLE)
  serving.close()
  assert.equal(clock.pending, 0)
})

test('createServing: what ends while it is looked at, or by a clock that jumps, is served no longer', async (t) => {
  const still = createManualClock()
  let goesOn = 0
  // A millisecond later each time it is asked.
  const clock = { ...still, now: () => still.now() + goesOn++ }
  const ending = (lifeMs: number): Slots => ({
    slots: [{ status: 'active', notAfter: still.now() + lifeMs }],
  })
  const x509 = createFeed(ending(3))
  const { statuses, close } = createServing({ x509, jwt: createFeed(ending(2 ** 40)), clock })
  t.after(close)
  await still.advance(10)
  assert.equal(statuses.current.get(SDS), false)
  x509.set(ending(3_600_000))
  assert.equal(statuses.current.get(SDS), true)
  still.jump(4_000_000)
  await still.advance(10_000)
  assert.equal(statuses.current.get(SDS), false)
})
