/** What the caller of a connection may have just now: one for all its streams, of every service. */
import type { Entry } from '../../../registration/entry.ts'
import { defaultEntry } from '../../../registration/match.ts'
import type { Caller } from '../../match/caller.ts'
import type { Identities, Lease } from '../../obtain/identities.ts'

/** Something that is told when what a caller may have changes. */
export interface Follower {
  changed(): void
}

/** Entries, oldest first, and which of them is the default. */
export interface GrantedEntries {
  readonly entries: readonly Entry[]
  readonly defaultEntry: Entry | undefined
}

export class Grant {
  readonly caller: Caller
  readonly followers = new Set<Follower>()
  readonly #identities: Identities
  readonly #leases = new Map<string, Lease>()
  readonly #unsubscribe: () => void
  #granted = grantedBy([])
  #possible = grantedBy([])

  constructor(caller: Caller, identities: Identities) {
    this.caller = caller
    this.#identities = identities
    this.#unsubscribe = caller.state.subscribe((state, before) => {
      if (state.match !== before.match || state.undecided !== before.undecided)
        this.#callerChanged()
    })
    this.#callerChanged()
  }

  /** What the caller is known to be. */
  get granted(): GrantedEntries {
    return this.#granted
  }

  /** What it would be if all that is undecided turned out so. */
  get possible(): GrantedEntries {
    return this.#possible
  }

  /** Why nothing can be said to be absent yet; undefined once that is known. */
  get undecided(): string | undefined {
    return this.caller.state.current.undecided
  }

  /** Of an entry that is granted. */
  lease(entryId: string): Lease | undefined {
    return this.#leases.get(entryId)
  }

  /** Something it may have has changed: an identity, a bundle, an entry. */
  changed(): void {
    for (const follower of this.followers) follower.changed()
  }

  close(): void {
    this.#unsubscribe()
    for (const lease of this.#leases.values()) lease.release()
    this.#leases.clear()
    this.#granted = this.#possible = grantedBy([])
  }

  #callerChanged(): void {
    const { entries, possible } = this.caller.state.current.match
    this.#granted = grantedBy(entries)
    this.#possible = grantedBy(possible)
    const wanted = new Set(entries.map((entry) => entry.id))
    for (const entry of entries)
      if (!this.#leases.has(entry.id)) this.#leases.set(entry.id, this.#identities.acquire(entry))
    for (const [id, lease] of this.#leases)
      if (!wanted.has(id)) {
        this.#leases.delete(id)
        lease.release()
      }
    this.changed()
  }
}

function grantedBy(entries: readonly Entry[]): GrantedEntries {
  return { entries, defaultEntry: defaultEntry(entries) }
}
