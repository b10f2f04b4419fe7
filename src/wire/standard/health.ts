/** grpc.health.v1 (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), for probes that speak gRPC. */
import { create } from '@bufbuild/protobuf'
import type { Server, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js'
import type { HealthCheckRequest, HealthCheckResponse } from '#grpc/health/v1/health_pb.js'
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
} from '#grpc/health/v1/health_pb.js'
import { SpindleError } from '../../runtime/errors.ts'
import type { Feed } from '../../runtime/feed.ts'
import { serviceDefinition } from '../service.ts'
import { statusOf } from '../status.ts'

type WatchCall = Pick<
  ServerWritableStream<HealthCheckRequest, HealthCheckResponse>,
  'request' | 'write' | 'emit' | 'on'
>

export interface HealthService {
  addTo(server: Pick<Server, 'addService'>): void
  /** Ends every watch with UNAVAILABLE. */
  endStreams(why: string): void
}

export function createHealthService(statuses: Feed<ReadonlyMap<string, boolean>>): HealthService {
  const watches = new Set<Watch>()
  const statusOfService = (service: string): Status | undefined => {
    const serving = statuses.current.get(service)
    if (serving === undefined) return undefined
    return serving ? Status.SERVING : Status.NOT_SERVING
  }
  return {
    addTo(server) {
      server.addService(serviceDefinition(Health), {
        Check: (
          { request }: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
          done: sendUnaryData<HealthCheckResponse>,
        ) => {
          const found = statusOfService(request.service)
          if (found === undefined)
            done(statusOf(new SpindleError('not_found', 'no such service is served here')))
          else done(null, create(HealthCheckResponseSchema, { status: found }))
        },
        Watch: (call: WatchCall) => {
          const { service } = call.request
          const watch = new Watch(call, () => statusOfService(service) ?? Status.SERVICE_UNKNOWN)
          watches.add(watch)
          const unsubscribe = statuses.subscribe(() => watch.look())
          const close = (): void => {
            unsubscribe()
            watches.delete(watch)
          }
          for (const end of ['cancelled', 'error', 'close'] as const) call.on(end, close)
          watch.look()
        },
      })
    },
    endStreams(why) {
      for (const { call } of Array.from(watches))
        call.emit('error', statusOf(new SpindleError('not_ready', why)))
    },
  }
}

/** A client that does not read is told the newest once it does. */
class Watch {
  readonly call: WatchCall
  readonly #status: () => Status
  #told: Status | undefined
  #writing = false

  constructor(call: WatchCall, status: () => Status) {
    this.call = call
    this.#status = status
  }

  look(): void {
    const status = this.#status()
    if (this.#writing || status === this.#told) return
    this.#told = status
    this.#writing = true
    this.call.write(create(HealthCheckResponseSchema, { status }), () => {
      this.#writing = false
      this.look()
    })
  }
}
