import type { ServerEntry } from '../../src/registration/server-entry.ts'
import type { SpiffeId } from '../../src/spiffe/spiffe-id.ts'

/** Which entries an agent may serve: the rule as it is said, by going round until nothing is added. Oldest first. */
export function servedBy(
  agent: SpiffeId,
  all: readonly ServerEntry[],
  rule: { readonly server: SpiffeId; readonly selectors: readonly string[] },
): readonly ServerEntry[] {
  const { server, selectors: held } = rule
  const aliases = all.filter(
    (one) => one.parentId === server && one.selectors.every((needed) => held.includes(needed)),
  )
  const parents = new Set([agent, ...aliases.map(({ spiffeId }) => spiffeId)])
  const served = new Set<ServerEntry>()
  for (let before = -1; before !== served.size;) {
    before = served.size
    for (const one of all)
      if (one.parentId !== server && parents.has(one.parentId)) {
        served.add(one)
        parents.add(one.spiffeId)
      }
  }
  return Array.from(served).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
}
