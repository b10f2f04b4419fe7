/** What the connected agents have, for whoever is about to take something away: a rotation asks before it goes on. */
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { Calls } from './calls.ts'

/** Of the agents with an open call at this server; those that are away, or poll, are not among them. */
export interface FleetView {
  readonly connected: number
  isConnected(agent: SpiffeId): boolean
  /** Which of them decide by the own bundle of this sequence number, or a later one. */
  haveBundle(sequence: number): {
    readonly have: readonly SpiffeId[]
    readonly behind: readonly SpiffeId[]
  }
  /** Who holds SVIDs of which authority, by its id. One that is in no map is held by none of them. */
  authoritiesInUse(): {
    readonly x509: ReadonlyMap<string, ReadonlySet<SpiffeId>>
    readonly jwt: ReadonlyMap<string, ReadonlySet<SpiffeId>>
  }
  /** `listen` is called after agents came, went, or said what they have; once for all of a turn of the event loop. */
  onProgress(listen: () => void): () => void
}

export function createFleetView(
  calls: Calls,
  own: TrustDomain,
  listeners: Set<() => void>,
): FleetView {
  const sequenceOf = (agent: SpiffeId): number => {
    let last = -Infinity
    for (const { applied } of calls.of(agent))
      last = Math.max(last, applied?.bundles.get(own)?.sequence ?? -Infinity)
    return last
  }
  const inUse = (kind: 'x509' | 'jwt'): ReadonlyMap<string, ReadonlySet<SpiffeId>> => {
    const holders = new Map<string, Set<SpiffeId>>()
    for (const { inUse: said, peer } of calls.all()) {
      const { spiffeId, authorityId } = peer.svid
      // Its own SVID is not among those it names, and without it the agent is no more.
      const ids = kind === 'x509' && authorityId !== '' ? [...said.x509, authorityId] : said[kind]
      for (const id of ids) {
        const agents = holders.get(id)
        if (agents === undefined) holders.set(id, new Set([spiffeId]))
        else agents.add(spiffeId)
      }
    }
    return holders
  }
  return {
    get connected() {
      return Array.from(calls.agents()).length
    },
    isConnected: (agent) => calls.count(agent) > 0,
    haveBundle(sequence) {
      const agents = Array.from(calls.agents())
      const has = (agent: SpiffeId): boolean => sequenceOf(agent) >= sequence
      return { have: agents.filter(has), behind: agents.filter((agent) => !has(agent)) }
    },
    authoritiesInUse: () => ({ x509: inUse('x509'), jwt: inUse('jwt') }),
    onProgress(listen) {
      listeners.add(listen)
      return () => void listeners.delete(listen)
    },
  }
}
