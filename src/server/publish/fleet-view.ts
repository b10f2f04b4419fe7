/** What the agents have, for whoever is about to take something away: a rotation asks before it goes on. */
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { AgentReport } from '../../store/model.ts'
import type { Calls } from './calls.ts'

/** What an agent has said to one server, whichever that is. */
export type Said = Omit<AgentReport, 'serverId' | 'agent'>

/** Of the agents with an open call; those that are away, or poll, are not among them. */
export interface FleetReading {
  readonly connected: number
  isConnected(agent: SpiffeId): boolean
  /** Which of them decide by the own bundle of this sequence number, or a later one. */
  haveBundle(sequence: number): {
    readonly have: readonly SpiffeId[]
    readonly behind: readonly SpiffeId[]
  }
  /** Who holds SVIDs of one of these authorities, by their ids, or has not said which ones it holds. */
  holders(kind: 'x509' | 'jwt', ids: readonly string[]): ReadonlySet<SpiffeId>
}

/** Of this server. */
export interface FleetView extends FleetReading {
  /**
   * The same of all servers on the store: of this one as it is, of the others as they have written it down.
   * @throws SpindleError `store_unavailable`
   */
  everywhere(): Promise<FleetReading>
  /** `listen` is called after agents came, went, or said what they have; once for all of a turn of the event loop. */
  onProgress(listen: () => void): () => void
}

/** By all calls of an agent; undefined: it has none. */
export function saidOf(calls: Calls, own: TrustDomain, agent: SpiffeId): Said | undefined {
  if (calls.count(agent) === 0) return undefined
  let sequence: number | undefined
  const [x509, jwt, more] = [new Set<string>(), new Set<string>(), new Set<'x509' | 'jwt'>()]
  for (const { applied, inUse, peer } of calls.of(agent)) {
    const known = applied?.bundles.get(own)?.sequence
    if (known !== undefined) sequence = Math.max(sequence ?? known, known)
    // Its own SVID is not among those it names, and without it the agent is no more.
    if (peer.svid.authorityId !== '') x509.add(peer.svid.authorityId)
    for (const id of inUse.x509) x509.add(id)
    for (const id of inUse.jwt) jwt.add(id)
    for (const kind of inUse.more) more.add(kind)
  }
  return {
    ...(sequence !== undefined && { sequence }),
    x509: Array.from(x509).sort(),
    jwt: Array.from(jwt).sort(),
    more: Array.from(more).sort(),
  }
}

/** An agent has what it said to any server, and holds what it said to each: one that it has left may not know yet. */
export function readingOf(
  agents: () => Iterable<SpiffeId>,
  saidBy: (agent: SpiffeId) => readonly Said[],
): FleetReading {
  return {
    get connected() {
      return Array.from(agents()).length
    },
    isConnected: (agent) => saidBy(agent).length > 0,
    haveBundle(sequence) {
      const all = Array.from(agents())
      const has = (agent: SpiffeId): boolean =>
        saidBy(agent).some((said) => (said.sequence ?? -Infinity) >= sequence)
      return { have: all.filter(has), behind: all.filter((agent) => !has(agent)) }
    },
    holders(kind, ids) {
      const asked = new Set(ids)
      const may = (said: Said): boolean =>
        said.more.includes(kind) || said[kind].some((id) => asked.has(id))
      return new Set(Array.from(agents()).filter((agent) => saidBy(agent).some(may)))
    },
  }
}

export function createFleetView(
  calls: Calls,
  own: TrustDomain,
  {
    elsewhere,
    listeners,
  }: {
    /** What the agents of other servers said. */
    readonly elsewhere: () => Promise<ReadonlyMap<SpiffeId, readonly Said[]>>
    readonly listeners: Set<() => void>
  },
): FleetView {
  const saidHere = (agent: SpiffeId): readonly Said[] => {
    const said = saidOf(calls, own, agent)
    return said === undefined ? [] : [said]
  }
  const here = readingOf(calls.agents, saidHere)
  return {
    get connected() {
      return here.connected
    },
    isConnected: (agent) => calls.count(agent) > 0,
    haveBundle: here.haveBundle,
    holders: here.holders,
    async everywhere() {
      const others = await elsewhere()
      return readingOf(
        () => new Set([...calls.agents(), ...others.keys()]),
        (agent) => [...saidHere(agent), ...(others.get(agent) ?? [])],
      )
    },
    onProgress(listen) {
      listeners.add(listen)
      return () => void listeners.delete(listen)
    },
  }
}
