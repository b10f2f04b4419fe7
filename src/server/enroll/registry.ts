/** The registry as this server knows it: the store's entries, agents and bundles in memory, kept up to date change by change. */
import type { EntryId, ServerEntry } from '../../registration/server-entry.ts'
import type { Concerned } from '../../registration/serving.ts'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { AttestedAgent, StoredBundle } from '../../store/model.ts'
import type { Position } from '../../store/port.ts'

/** One step of the registry from a committed state to a later one; never half of a commit. */
export interface RegistryChange {
  /** Agents whose entries have, or may have, changed. */
  readonly serving: Concerned
  /** Trust domains whose bundle is new, changed or gone. */
  readonly bundles: ReadonlySet<TrustDomain>
  /** Agents that attested, were renewed, banned or evicted. */
  readonly agents: ReadonlySet<SpiffeId>
  readonly position: Position
}

export interface Registry {
  readonly position: Position
  entry(id: EntryId): ServerEntry | undefined
  /** Every entry with this SPIFFE ID: what makes its bearer an admin or a downstream server. */
  entriesNamed(spiffeId: SpiffeId): readonly ServerEntry[]
  /** Those an agent may serve, oldest first; expired ones are among them until they are pruned. */
  entriesOf(agent: SpiffeId): readonly ServerEntry[]
  mayServe(agent: SpiffeId, id: EntryId): boolean
  agent(id: SpiffeId): AttestedAgent | undefined
  bundle(trustDomain: TrustDomain): StoredBundle | undefined
  /** Resolves once it shows what was committed before the call. @throws SpindleError `store_unavailable` */
  caughtUp(): Promise<void>
  /** `listen` is called after each step. */
  onChange(listen: (change: RegistryChange) => void): () => void
  close(): Promise<void>
}
