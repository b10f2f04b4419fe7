/** What callers are matched with, from what the server says this agent may serve. */
import type { Entry } from '../../../registration/entry.ts'
import type { Registry } from '../../../registration/match.ts'
import { createRegistry } from '../../../registration/match.ts'
import { nextExpiry, servedEntry } from '../../../registration/served-entry.ts'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import type { MutableFeed } from '../../../runtime/feed.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { createClockWatch } from '../clock-watch.ts'
import type { Served } from '../server/link.ts'

export interface ServedRegistry {
  /** Takes over a state the server's registry had. */
  set(served: Served): void
  close(): void
}

/** Keeps `registry` at what is served; an entry goes at the instant it expires. An entry that did not change is the same object. */
export function keepRegistry(
  registry: MutableFeed<Registry | undefined>,
  { trustDomain, clock }: { readonly trustDomain: TrustDomain; readonly clock: Clock },
): ServedRegistry {
  let served: Served | undefined
  let known: ReadonlyMap<string, Entry> = new Map()
  let timer: Timer | undefined

  const look = (): void => {
    timer?.cancel()
    if (served === undefined) return
    const now = clock.now()
    const entries = served.entries.flatMap((entry) => {
      const next = servedEntry(entry, trustDomain, now)
      return next === undefined ? [] : [known.get(next.id) ?? next]
    })
    const isSame =
      registry.current !== undefined &&
      entries.length === known.size &&
      registry.current.entries.every((entry, at) => entry === entries[at])
    if (!isSame) {
      known = new Map(entries.map((entry) => [entry.id, entry]))
      registry.set(createRegistry(entries))
    }
    const next = nextExpiry(served.entries, now)
    if (next !== undefined) timer = clock.after(next - now, look)
  }
  const watch = createClockWatch(clock, look)
  return {
    set(next) {
      served = next
      look()
    },
    close() {
      timer?.cancel()
      watch.close()
    },
  }
}
