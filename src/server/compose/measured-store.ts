import type { Clock } from '../../runtime/clock.ts'
import { codeOf } from '../../runtime/errors.ts'
import type { Store } from '../../store/port.ts'
import type { ServerMetrics } from '../../telemetry/server/metrics.ts'

type Measures = Pick<ServerMetrics, 'storeDuration' | 'storeFailures'>

/** The same store, of which each answer is timed. */
export function measuredStore(store: Store, clock: Clock, metrics: Measures): Store {
  const measured = <T extends object>(object: string, methods: T): T =>
    new Proxy(methods, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function' || typeof name !== 'string') return value
        return (...args: readonly unknown[]): unknown => {
          const begun = clock.monotonic()
          const answer: unknown = Reflect.apply(value, target, args)
          if (!(answer instanceof Promise)) return answer
          const of = { object, operation: name }
          answer.then(
            () => metrics.storeDuration.observe(of, (clock.monotonic() - begun) / 1000),
            (thrown: unknown) => {
              // What was asked wrongly says nothing about the store.
              if (codeOf(thrown) !== 'request_invalid') metrics.storeFailures.inc(of)
            },
          )
          return answer
        }
      },
    })
  return {
    entries: measured('entries', store.entries),
    agents: measured('agents', store.agents),
    joinTokens: measured('join-tokens', store.joinTokens),
    bundles: measured('bundles', store.bundles),
    federation: measured('federation', store.federation),
    authorities: measured('authorities', store.authorities),
    servers: measured('servers', store.servers),
    reports: measured('reports', store.reports),
    changes: measured('changes', store.changes),
    backup: (path) => store.backup(path),
    close: () => store.close(),
  }
}
