/** Which of a caller's entries the Workload API tells it of, and in which order. */
import type { Entry } from '../../../registration/entry.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Granted } from '../../../registration/granted.ts'

/**
 * The default first, then the order of the registry (SPIFFE_Workload_API 8: a client without a wish takes the first). A
 * hint is told once (5.2.1, 6.2.1): of entries that share one, the first in this order is there and the others are not.
 */
export function presented({ entries, defaultEntry }: Granted): readonly Entry[] {
  if (defaultEntry === undefined) return []
  const hints = new Set<string>()
  return [defaultEntry, ...entries.filter((entry) => entry !== defaultEntry)].filter(({ hint }) => {
    const taken = hints.has(hint)
    if (hint !== '') hints.add(hint)
    return !taken
  })
}

/**
 * True where what is presented stays whatever is undecided turns out to be: no entry that may yet be granted would be the
 * default, or would have the hint of one that is.
 */
export function isSettled(granted: Granted, possible: Granted): boolean {
  if (granted.entries.length === possible.entries.length) return true
  const later = presented(possible)
  const now = presented(granted)
  return later[0] === now[0] && now.every((entry) => later.includes(entry))
}

/** Of other trust domains whose bundles a caller gets: those its entries federate with. Sorted. */
export function federatedWith(granted: Granted): readonly TrustDomain[] {
  return [...granted.federatesWith].toSorted()
}
