/** The registry as this server knows it: the store's entries, agents and bundles in memory, kept up to date change by change. */
import type { EntryId, ServerEntry } from '../../registration/server-entry.ts'
import type { Concerned } from '../../registration/serving.ts'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { AttestedAgent, StoredBundle } from '../../store/model.ts'
import type { Position } from '../../store/port.ts'

/** One step of the registry from a committed state to a later one; never half of a commit. */
export interface RegistryChange {
  /** Those that are new, changed or gone. */
  readonly entries: ReadonlySet<EntryId>
  /** Agents whose entries have, or may have, changed. */
  readonly serving: Concerned
  /** Trust domains whose bundle is new, changed or gone. */
  readonly bundles: ReadonlySet<TrustDomain>
  /** Agents that attested, were renewed, banned or evicted. */
  readonly agents: ReadonlySet<SpiffeId>
  readonly position: Position
}

/** What it says is of one committed state, that at `position`. An entry, agent or bundle is the same object until it changes. */
export interface Registry {
  readonly position: Position
  entry(id: EntryId): ServerEntry | undefined
  /** Every entry with this SPIFFE ID: what makes its bearer an admin or a downstream server. */
  entriesNamed(spiffeId: SpiffeId): readonly ServerEntry[]
  /** Those an agent may serve, oldest first; expired ones are among them until they are pruned. */
  entriesOf(agent: SpiffeId): readonly ServerEntry[]
  mayServe(agent: SpiffeId, id: EntryId): boolean
  agent(id: SpiffeId): AttestedAgent | undefined
  /** All of them, in no order. */
  agents(): Iterable<AttestedAgent>
  bundle(trustDomain: TrustDomain): StoredBundle | undefined
  /** When the next of the entries expires, ms since the epoch; undefined: none ever does. */
  nextExpiry(): number | undefined
  readonly counts: {
    readonly entries: number
    readonly agents: number
    readonly bundles: number
  }
  /**
   * Resolves once it shows what this server, before the call, had committed or had heard of.
   * @throws SpindleError `store_unavailable`
   */
  caughtUp(): Promise<void>
  /**
   * For who has changed something, which is stored: resolves once that is shown. Where the store goes away just then, or takes
   * long, it resolves all the same, since to say that nothing is known would be wrong; it is shown when the store can be read.
   */
  shown(): Promise<void>
  /** Asks the store: resolves once it shows what any server had committed before the call. @throws SpindleError as `caughtUp` */
  refreshed(): Promise<void>
  /** `listen` is called after each step that changed something. */
  onChange(listen: (change: RegistryChange) => void): () => void
  close(): Promise<void>
}
