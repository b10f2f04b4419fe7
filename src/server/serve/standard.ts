/** gRPC's own services at the server: health, and on the admin socket reflection. */
import type { DescService } from '@bufbuild/protobuf'
import { Health } from '#grpc/health/v1/health_pb.js'
import { createFeed } from '../../runtime/feed.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { createHealthService } from '../../wire/standard/health.ts'
import { createReflectionService } from '../../wire/standard/reflection.ts'
import type { Issuing } from '../issue/issuing.ts'
import type { ApiService } from './service.ts'

export interface StandardParts {
  readonly clock: Clock
  readonly issuing: Pick<Issuing, 'x509' | 'jwt'>
  /** Those of the server beside these two. */
  readonly services: readonly DescService[]
}

export function createStandardServices(parts: StandardParts): ApiService & { close(): void } {
  const { statuses, close } = createStatuses(parts)
  const health = createHealthService(statuses)
  const reflection = createReflectionService([...parts.services, Health])
  return {
    addTo({ server }) {
      health.addTo(server)
      reflection.addTo(server)
    },
    endStreams(why) {
      health.endStreams(why)
      reflection.endStreams(why)
    },
    close,
  }
}

/** The wall clock may go another way than timers do. */
const LOOK_EVERY_MS = 10_000

/** '' and each service are served while there is something to sign with: all that agents need rests on it. */
function createStatuses({ clock, issuing, services }: StandardParts) {
  const states = [issuing.x509.state, issuing.jwt.state]
  let timer: Timer | undefined
  const ends = (): readonly number[] =>
    states.map(({ current }) =>
      Math.max(0, ...current.slots.map((slot) => (slot.status === 'active' ? slot.notAfter : 0))),
    )
  const read = (now: number): ReadonlyMap<string, boolean> => {
    const serving = ends().every((end) => end > now)
    const names = ['', ...services.map(({ typeName }) => typeName)]
    return new Map([...names.map((name) => [name, serving] as const), [Health.typeName, true]])
  }
  const statuses = createFeed(read(clock.now()))
  const look = (): void => {
    // One instant for both: what ends between two would be waited for by nobody.
    const now = clock.now()
    const next = read(now)
    if (next.get('') !== statuses.current.get('')) statuses.set(next)
    timer?.cancel()
    const coming = ends().flatMap((end) => (end > now ? [end - now] : []))
    timer = clock.after(Math.min(...coming, LOOK_EVERY_MS), look)
  }
  look()
  const unsubscribes = states.map((state: Feed<unknown>) => state.subscribe(look))
  const close = (): void => {
    timer?.cancel()
    for (const unsubscribe of unsubscribes) unsubscribe()
  }
  return { statuses: statuses as Feed<ReadonlyMap<string, boolean>>, close }
}
