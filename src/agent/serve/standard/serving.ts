/** Which services can serve callers just now: what the gRPC health service says. */
import { SecretDiscoveryService } from '#envoy/service/secret/v3/sds_pb.js'
import { Health } from '#grpc/health/v1/health_pb.js'
import { ServerReflection } from '#grpc/reflection/v1/reflection_pb.js'
import { SpiffeWorkloadAPI } from '#spiffe/workload/workload_pb.js'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import type { Feed } from '../../../runtime/feed.ts'
import { createFeed } from '../../../runtime/feed.ts'

/** What of an authority's state is looked at: it signs while a slot is active and has not ended. */
interface Signing {
  readonly slots: readonly { readonly status: string; readonly notAfter: number }[]
}

export interface Serving {
  /** By the full name of the service; '' for all of them. */
  readonly statuses: Feed<ReadonlyMap<string, boolean>>
  close(): void
}

/** The wall clock may go another way than timers do. */
const LOOK_EVERY_MS = 10_000

/** The same that makes `/ready` say so, without the asking: who is answered has seen that calls are. */
export function createServing({
  x509,
  jwt,
  clock,
}: {
  readonly x509: Feed<Signing>
  readonly jwt: Feed<Signing>
  readonly clock: Clock
}): Serving {
  let timer: Timer | undefined
  const ends = ({ current }: Feed<Signing>): number =>
    Math.max(0, ...current.slots.map((slot) => (slot.status === 'active' ? slot.notAfter : 0)))
  const read = (now: number): ReadonlyMap<string, boolean> => {
    const [sds, workload] = [ends(x509) > now, ends(x509) > now && ends(jwt) > now]
    return new Map([
      ['', workload],
      [SecretDiscoveryService.typeName, sds],
      [SpiffeWorkloadAPI.typeName, workload],
      [Health.typeName, true],
      [ServerReflection.typeName, true],
    ])
  }
  const statuses = createFeed(read(clock.now()))
  const look = (): void => {
    // One instant for both: what ends between two would be waited for by nobody.
    const now = clock.now()
    const next = read(now)
    if ([...next].some(([name, serving]) => statuses.current.get(name) !== serving))
      statuses.set(next)
    timer?.cancel()
    const coming = [ends(x509), ends(jwt)].flatMap((end) => (end > now ? [end - now] : []))
    timer = clock.after(Math.min(...coming, LOOK_EVERY_MS), look)
  }
  look()
  const unsubscribes = [x509.subscribe(look), jwt.subscribe(look)]
  return {
    statuses,
    close() {
      timer?.cancel()
      for (const unsubscribe of unsubscribes) unsubscribe()
    },
  }
}
