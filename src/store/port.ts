import type { Selector } from '../registration/selector.ts'
import type { EntryContent, EntryId, ServerEntry } from '../registration/server-entry.ts'
import type { Feed } from '../runtime/feed.ts'
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts'
import type {
  AgentReport,
  AttestedAgent,
  FederationRelationship,
  JoinToken,
  JournaledAuthority,
  NewEntry,
  RegisteredServer,
  StoredBundle,
} from './model.ts'

/**
 * The state of a server, or of several that share it. What a promise of a change resolves to is durable. Rejections:
 * `store_unavailable` (nothing was changed, unless the message says that it is not known), `store_corrupt`, and
 * `request_invalid` for a value that cannot be kept.
 */
export interface Store {
  readonly entries: EntryStore
  readonly agents: AgentStore
  readonly joinTokens: JoinTokenStore
  readonly bundles: BundleStore
  readonly federation: KeyedStore<TrustDomain, FederationRelationship>
  readonly authorities: AuthorityJournal
  readonly servers: ServerRegistry
  readonly reports: ReportStore
  readonly changes: ChangeLog
  /**
   * Writes a copy of a SQLite database while it is in use, to a path where nothing is. It begins a lineage of its own, so that
   * nobody who saw what came after the copy takes the copy's future for it.
   * @throws SpindleError `unsupported` for PostgreSQL, which has its own tools
   */
  backup(path: string): Promise<void>
  close(): Promise<void>
}

/** How the members of a set compare with those asked for. */
export type SetMatch = 'exact' | 'subset' | 'superset' | 'any'

/** exact: the same members · subset: at least one, and none other than these · superset: all of these · any: one of these. */
export interface SetFilter<T> {
  readonly match: SetMatch
  readonly of: readonly T[]
}

export interface EntryFilter {
  readonly spiffeId?: SpiffeId | undefined
  readonly parentId?: SpiffeId | undefined
  readonly selectors?: SetFilter<Selector> | undefined
  readonly federatesWith?: SetFilter<TrustDomain> | undefined
  readonly hint?: string | undefined
  readonly downstream?: boolean | undefined
}

export interface AgentFilter {
  readonly attestationType?: string | undefined
  readonly selectors?: SetFilter<Selector> | undefined
  readonly banned?: boolean | undefined
  readonly canReattest?: boolean | undefined
  /** Those that expire before this instant. */
  readonly expiresBefore?: number | undefined
}

export interface PageRequest {
  /** 1 to `MOST_A_PAGE`. */
  readonly limit: number
  /** `next` of the page before. */
  readonly token?: string | undefined
}

/** Ordered by key, byte by byte: what is there throughout is in one page, whatever else comes and goes meanwhile. */
export interface Page<T> {
  readonly items: readonly T[]
  /** undefined: the last page. */
  readonly next?: string
}

export const MOST_A_PAGE = 1000

/** `similar`: `entry` has the same SPIFFE ID, parent and selectors; `id_taken`: `entry` has the id. */
export interface Created {
  readonly kind: 'created' | 'similar' | 'id_taken'
  readonly entry: ServerEntry
}

export type Updated =
  | { readonly kind: 'updated' | 'unchanged' | 'similar'; readonly entry: ServerEntry }
  | { readonly kind: 'not_found' }

export type Deleted<T> =
  { readonly kind: 'deleted'; readonly was: T } | { readonly kind: 'not_found' }

export interface EntryChange {
  readonly id: EntryId
  /** Given the entry as it is, under the lock; may be called more than once. */
  readonly change: (entry: ServerEntry) => EntryContent
}

/** Told of those that were deleted, as they were last, after each commit. */
export type TellGone<T> = (gone: readonly T[]) => void

export interface EntryStore {
  get(id: EntryId): Promise<ServerEntry | undefined>
  /** Those there are of `ids`, in no order. */
  getMany(ids: readonly EntryId[]): Promise<readonly ServerEntry[]>
  list(filter: EntryFilter, page: PageRequest): Promise<Page<ServerEntry>>
  count(filter: EntryFilter): Promise<number>
  /** An outcome for each, in their order, as if they had come one after the other; all of a call are stored at once. */
  create(entries: readonly NewEntry[]): Promise<readonly Created[]>
  update(changes: readonly EntryChange[]): Promise<readonly Updated[]>
  delete(ids: readonly EntryId[]): Promise<readonly Deleted<ServerEntry>[]>
  /** Deletes those that have expired at `now`; @returns how many */
  prune(now: number, tell?: TellGone<EntryVersion>): Promise<number>
}

/** Given what is there, under the lock, says what shall be there. The same value, or an equal one, changes nothing. */
export type Change<T> = (current: T | undefined) => T | undefined

/** Values by key; `change` that returns undefined deletes, and resolves to what is there then. */
export interface KeyedStore<K, V> {
  get(key: K): Promise<V | undefined>
  list(page: PageRequest): Promise<Page<V>>
  count(): Promise<number>
  change(key: K, change: Change<V>): Promise<V | undefined>
}

export interface AgentStore {
  get(id: SpiffeId): Promise<AttestedAgent | undefined>
  list(filter: AgentFilter, page: PageRequest): Promise<Page<AttestedAgent>>
  count(filter: AgentFilter): Promise<number>
  change(id: SpiffeId, change: Change<AttestedAgent>): Promise<AttestedAgent | undefined>
  /**
   * Deletes those that expired before an instant and can attest again; the others too where said. A banned one stays: with it
   * the ban would go. @returns how many
   */
  prune(
    rule: { readonly expiredBefore: number; readonly once: boolean },
    tell?: TellGone<SpiffeId>,
  ): Promise<number>
}

export type CreatedToken =
  /** `entry`: the one that was made, unless there was one like it. */
  | { readonly kind: 'created'; readonly entry?: ServerEntry }
  /** The text is a token already; nothing was changed. */
  | { readonly kind: 'taken' }

/**
 * What is stored for the node that joins, given the token and the agent as they are, under the lock; undefined: the node may not
 * join. May be called more than once.
 */
export type Join = (
  token: JoinToken,
  current: AttestedAgent | undefined,
) => AttestedAgent | undefined

/** refused, not_found: nothing was changed, the token is as good as it was. */
export type Joined = 'joined' | 'refused' | 'not_found'

/** Of a token's text only a hash is kept. */
export interface JoinTokenStore {
  /** With an entry, both are made in one commit. */
  create(text: string, token: JoinToken, entry?: NewEntry): Promise<CreatedToken>
  /** Expired ones are there until they are pruned. */
  get(text: string): Promise<JoinToken | undefined>
  /** Spends a token in the same commit that stores its agent: of several that join with it at once, on any server, one does. */
  join(text: string, id: SpiffeId, join: Join): Promise<Joined>
  /** Deletes those that have expired at `now`; undefined is one that could not be read any more. @returns how many */
  prune(now: number, tell?: TellGone<JoinToken | undefined>): Promise<number>
}

/** restrict: not while an entry federates with it · delete: those entries too · dissociate: they federate with it no longer. */
export type DeleteBundleMode = 'restrict' | 'delete' | 'dissociate'

export type DeletedBundle =
  /** `entries`: what was deleted or changed along with it, as it was last. */
  | { readonly kind: 'deleted'; readonly entries: readonly EntryVersion[] }
  | { readonly kind: 'not_found' }
  /** The answer to mode `restrict`; how many. */
  | { readonly kind: 'in_use'; readonly entries: number }

export type EntryVersion = Pick<ServerEntry, 'id' | 'revision'>

export interface BundleStore extends KeyedStore<TrustDomain, StoredBundle> {
  delete(trustDomain: TrustDomain, mode: DeleteBundleMode): Promise<DeletedBundle>
}

export interface AuthorityKey {
  readonly serverId: string
  readonly kind: JournaledAuthority['kind']
  readonly authorityId: string
}

/** Of all servers: there are few. */
export interface AuthorityJournal {
  list(): Promise<readonly JournaledAuthority[]>
  change(
    key: AuthorityKey,
    change: Change<JournaledAuthority>,
  ): Promise<JournaledAuthority | undefined>
}

export interface ServerRegistry {
  list(): Promise<readonly RegisteredServer[]>
  /** A change for the others only when the server is new. */
  seen(id: string, at: number): Promise<void>
  remove(id: string): Promise<void>
}

/** Of no change of it anybody hears. */
export interface ReportStore {
  /** What agents said to all servers but this one, by agent. */
  ofOthers(serverId: string, page: PageRequest): Promise<Page<AgentReport>>
  /** Of this server; undefined: the agent has gone. Of agents that are not attested nothing is kept, and it goes with them. */
  put(serverId: string, reports: ReadonlyMap<SpiffeId, AgentReport | undefined>): Promise<void>
  /** All that agents said to these. */
  clear(serverIds: readonly string[]): Promise<void>
}

export type ChangeKind = 'entry' | 'agent' | 'bundle' | 'federation' | 'authority' | 'server'

/** `key` is a new value, a changed one, or one that is gone: what is there now says which. */
export interface StoreChange {
  readonly revision: number
  readonly kind: ChangeKind
  /** Entry id, SPIFFE ID of the agent, trust domain, `server/kind/authority`, server id. */
  readonly key: string
}

/** A state of the store. Revisions of one lineage are handed out in the order of commits, and none twice. */
export interface Position {
  /** Another one in another store, and in one that was brought back from a backup. */
  readonly lineage: string
  readonly revision: number
}

export type Changes =
  | {
      readonly kind: 'changes'
      /** Oldest first, each key once, with the last revision it was changed at. */
      readonly changes: readonly StoreChange[]
      /** What follows is told from here. */
      readonly position: Position
      readonly more: boolean
    }
  /** The log does not lead on from there: read everything that is there, then go on from `position`. */
  | { readonly kind: 'start_anew'; readonly position: Position }

export interface ChangeLog {
  /** The last revision this server knows to be committed, by whichever server. */
  readonly revisions: Feed<number>
  position(): Promise<Position>
  /** `position` is where the reader is; `limit` is 1 to `MOST_A_PAGE`. */
  since(position: Position, limit: number): Promise<Changes>
  /** Forgets changes that were committed before an instant; @returns how many */
  prune(before: number): Promise<number>
}
