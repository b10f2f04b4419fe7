/** A connection as SDS sees it: what its caller may have just now, for all its streams together. */
import type { Clock } from '../../runtime/clock.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { Entry } from '../../registration/entry.ts'
import type { Granted } from '../../registration/granted.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { ValidatorFlavour } from '../../xds/flavour.ts'
import type { NamePolicy } from '../../xds/names.ts'
import { namesOf, settledMeaning } from '../../xds/names.ts'
import type { Resolution, View } from '../../xds/resource.ts'
import type { Caller } from '../match/caller.ts'
import type { Lease } from '../obtain/identities.ts'
import type { Follower, Grant } from './grant/grant.ts'
import type { Quarantine } from './quarantine.ts'
import type { BundleMeaning, Bundles, Secrets } from './secrets.ts'

/** Something that is told when what its sidecar may have changes. */
export interface SidecarFollower {
  /** `names`: the only ones that may mean another secret now; undefined where any may. */
  changed(names?: ReadonlySet<string>): void
}

export interface SidecarParts {
  readonly bundles: Feed<Bundles>
  readonly secrets: Secrets
  readonly quarantine: Quarantine
  readonly policy: NamePolicy
  readonly clock: Clock
}

export class Sidecar implements Follower {
  readonly caller: Caller
  readonly followers = new Set<SidecarFollower>()
  readonly #grant: Grant
  readonly #parts: SidecarParts
  readonly #views = new Map<ValidatorFlavour, SidecarView>()

  constructor(grant: Grant, parts: SidecarParts) {
    this.caller = grant.caller
    this.#grant = grant
    this.#parts = parts
    grant.followers.add(this)
  }

  /** What the caller is known to be. */
  get granted(): Granted {
    return this.#grant.granted
  }

  /** What it would be if all that is undecided turned out so. */
  get possible(): Granted {
    return this.#grant.possible
  }

  lease(entryId: string): Lease | undefined {
    return this.#grant.lease(entryId)
  }

  view(flavour: ValidatorFlavour): View {
    let view = this.#views.get(flavour)
    if (view === undefined) {
      view = new SidecarView(this, this.#parts, flavour)
      this.#views.set(flavour, view)
    }
    return view
  }

  /** Something it may have has changed: an identity, a bundle, an entry. */
  changed(entryId?: string): void {
    const names = entryId === undefined ? this.#forget() : this.#forgetEntry(entryId)
    for (const follower of this.followers) follower.changed(names)
  }

  #forget(): undefined {
    for (const view of this.#views.values()) view.forget()
  }

  #forgetEntry(entryId: string): ReadonlySet<string> | undefined {
    const all = new Set<string>()
    for (const view of this.#views.values()) {
      const names = view.forgetEntry(entryId)
      if (names === undefined) return this.#forget()
      for (const name of names) all.add(name)
    }
    return all
  }
}

const REMEMBERED_NAMES = 4096

class SidecarView implements View {
  readonly #sidecar: Sidecar
  readonly #parts: SidecarParts
  readonly #flavour: ValidatorFlavour
  readonly #resolved = new Map<string, Resolution>()
  /** Of each entry the names that were last asked for and mean its identity. */
  readonly #namesOf = new Map<string, Set<string>>()
  #namesKnown = 0
  #all: readonly string[] | undefined

  constructor(sidecar: Sidecar, parts: SidecarParts, flavour: ValidatorFlavour) {
    this.#sidecar = sidecar
    this.#parts = parts
    this.#flavour = flavour
  }

  get all(): readonly string[] {
    this.#all ??= namesOf(this.#parts.policy, this.#sidecar.granted)
    return this.#all
  }

  resolve(name: string): Resolution {
    let resolution = this.#resolved.get(name)
    if (resolution === undefined) {
      resolution = this.#resolve(name)
      // Why something is on its way changes without a word: a failed attempt to issue is nobody's news but the operator's.
      if (resolution.state !== 'pending') this.#remember(name, resolution)
    }
    // A view may be older than the instant an SVID ends: nothing expired is ever served.
    if (
      resolution.state === 'present' &&
      resolution.resource.notAfter !== undefined &&
      resolution.resource.notAfter <= this.#parts.clock.now()
    )
      return { state: 'pending', why: 'its X.509-SVID has expired and could not be renewed yet' }
    return resolution
  }

  quarantined(version: string): boolean {
    return this.#parts.quarantine.of(this.#sidecar.caller.connection.peer).has(version)
  }

  forget(): void {
    this.#resolved.clear()
    this.#namesOf.clear()
    this.#namesKnown = 0
    this.#all = undefined
  }

  /** What was the entry's identity is another. Returns the names that mean it; undefined where they are too many to know. */
  forgetEntry(entryId: string): ReadonlySet<string> | undefined {
    if (this.#namesKnown >= REMEMBERED_NAMES) return undefined
    const names = this.#namesOf.get(entryId) ?? new Set()
    for (const name of names) this.#resolved.delete(name)
    return names
  }

  #means(name: string, entryId: string): void {
    if (this.#namesKnown >= REMEMBERED_NAMES) return
    const names = this.#namesOf.get(entryId) ?? new Set()
    if (names.has(name)) return
    this.#namesOf.set(entryId, names.add(name))
    this.#namesKnown += 1
  }

  /** Names are the client's choice: what it invents must not pile up here. */
  #remember(name: string, resolution: Resolution): void {
    if (this.#resolved.size >= REMEMBERED_NAMES) this.#resolved.clear()
    this.#resolved.set(name, resolution)
  }

  #resolve(name: string): Resolution {
    const { undecided } = this.#sidecar.caller.state.current
    const meaning = settledMeaning(name, this.#parts.policy, this.#sidecar)
    const nothing = meaning?.kind === 'none' || this.#sidecar.granted.entries.length === 0
    if (meaning === undefined || (nothing && undecided !== undefined))
      return {
        state: 'pending',
        why: undecided ?? 'entries that may change it are not decided yet',
      }
    if (meaning.kind === 'none') return { state: 'absent', why: meaning.why }
    try {
      return meaning.kind === 'svid'
        ? this.#resolveSvid(name, meaning.entry)
        : this.#resolveBundle(name, meaning)
    } catch (thrown) {
      // Something Envoy would not take: this name waits until it is another, and the others go on.
      if (!(thrown instanceof SpindleError)) throw thrown
      return { state: 'pending', why: thrown.message }
    }
  }

  #resolveSvid(name: string, entry: Entry): Resolution {
    this.#means(name, entry.id)
    const lease = this.#sidecar.lease(entry.id)
    const identity = lease?.current
    if (identity === undefined)
      return { state: 'pending', why: lease?.fault ?? 'its X.509-SVID is being issued' }
    return { state: 'present', resource: this.#parts.secrets.svid(name, identity) }
  }

  #resolveBundle(name: string, meaning: BundleMeaning): Resolution {
    const { policy, secrets, bundles } = this.#parts
    if (!bundles.current.has(policy.trustDomain))
      return { state: 'pending', why: 'the signing authority is not ready yet' }
    const from = { bundles: bundles.current, flavour: this.#flavour }
    const secret = secrets.bundle(name, meaning, from)
    if ('version' in secret) return { state: 'present', resource: secret }
    // A bundle that is known to the agent and empty just now is not one that does not exist.
    const known = meaning.kind === 'bundle' && bundles.current.has(meaning.trustDomain)
    return { state: known ? 'pending' : 'absent', why: secret.why }
  }
}
