/** What the caller of a connection may have just now: one for all its streams, of every service. */
import { Granted } from '../../../registration/granted.ts'
import type { Caller } from '../../match/caller.ts'
import type { Identities, Lease } from '../../obtain/identities.ts'

/** Something that is told when what a caller may have changes. */
export interface Follower {
  /** `entryId`: of the one identity that is another; undefined where anything may be. */
  changed(entryId?: string): void
}

export class Grant {
  readonly caller: Caller
  readonly followers = new Set<Follower>()
  readonly #identities: Identities
  readonly #leases = new Map<string, Lease>()
  readonly #unsubscribe: () => void
  #granted = new Granted([])
  #possible = new Granted([])

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
  get granted(): Granted {
    return this.#granted
  }

  /** What it would be if all that is undecided turned out so. */
  get possible(): Granted {
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
  changed(entryId?: string): void {
    for (const follower of this.followers) follower.changed(entryId)
  }

  close(): void {
    this.#unsubscribe()
    for (const lease of this.#leases.values()) lease.release()
    this.#leases.clear()
    this.#granted = this.#possible = new Granted([])
  }

  #callerChanged(): void {
    const { entries, possible } = this.caller.state.current.match
    this.#granted = new Granted(entries)
    // Mostly nothing is undecided: both are the same entries then, and one index of them is enough.
    this.#possible = possible.length === entries.length ? this.#granted : new Granted(possible)
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
