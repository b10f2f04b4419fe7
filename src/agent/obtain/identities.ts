/**
 * The identities callers use: each issued at once when first acquired, renewed at an instant drawn once for each
 * certificate, with a new key each time, and replaced only by one that Envoy would take.
 */
import type { AuthorityState } from '../../authority/authority.ts'
import type { Entry } from '../../registration/entry.ts'
import { lineOf } from '../../registration/served-entry.ts'
import { replacementDelay } from '../../runtime/renewal.ts'
import { createSlices } from '../../runtime/slices.ts'
import type { Slices } from '../../runtime/slices.ts'
import { createClockWatch } from './clock-watch.ts'
import type { ClockWatch } from './clock-watch.ts'
import { HeldIdentity } from './held-identity.ts'
import type { IdentitiesOptions, Keeper } from './identities-options.ts'
import type { Identity, KeptIdentity } from './identity.ts'
import { standingOf } from './signer-standing.ts'

/** One use of an identity. */
export interface Lease {
  /** undefined: not issued yet, or expired. */
  readonly current: Identity | undefined
  /** Why the last attempt to issue failed; undefined once one succeeds. */
  readonly fault: string | undefined
  /** Ends the use; further calls do nothing. */
  release(): void
}

/** What is known of an identity, whoever uses it. */
export type IdentityReading = Pick<HeldIdentity, 'current' | 'fault' | 'retryAt'>

export interface Identities {
  /** The same entry id is the same identity, however many use it. */
  acquire(entry: Entry): Lease
  /** What is known of an entry's identity, without using it; undefined: there is none. */
  find(entryId: string): IdentityReading | undefined
  /** Every identity that may be served now. */
  current(): readonly Identity[]
  /** How many are in use and have none that may be served: never issued, or expired. */
  missing(): number
  /** How many of those had one, which has expired. */
  expired(): number
  /** `listen` is called whenever the `current` of an entry's identity is another, or none any more. */
  onChange(listen: (entryId: string) => void): () => void
  /**
   * Renews those that `predicate` picks (all without one) now; each keeps its certificate until it has the next.
   * Resolves to how many were renewed, once each was tried; those that failed are retried by themselves.
   */
  renewAll(predicate?: (identity: Identity) => boolean): Promise<number>
  close(): void
}

/** How many are begun in one turn of the event loop when thousands are due at once. */
const SLICE = 50
/** How many are asked for in one call when they are spread over time. */
const TOGETHER = 4

export function createIdentities(options: IdentitiesOptions): Identities {
  return new HeldIdentities(options)
}

class HeldIdentities implements Identities, Keeper<HeldIdentity> {
  readonly #options: IdentitiesOptions
  readonly #held = new Map<string, HeldIdentity>()
  /** The one that began last of each line. */
  readonly #lines = new Map<string, HeldIdentity>()
  readonly #listeners = new Set<(entryId: string) => void>()
  /** Who has nothing yet is not made to wait for those that still have something. */
  readonly #firsts: Slices<HeldIdentity>
  readonly #renewals: Slices<HeldIdentity>
  readonly #watch: ClockWatch
  readonly #unsubscribe: () => void

  constructor(options: IdentitiesOptions) {
    this.#options = options
    const { authority, clock } = options
    this.#firsts = createSlices(SLICE, (held) => void held.issue())
    this.#renewals = createSlices(SLICE, (held) => void held.issue())
    this.#watch = createClockWatch(clock, (byMs) => {
      options.onEvent?.({ kind: 'clock_jumped', byMs })
      const all = Array.from(this.#held.values())
      this.#replaceSoon(all.filter((held) => held.clockJumped()))
    })
    this.#unsubscribe = authority.state.subscribe((now, before) =>
      this.#authorityChanged(now, before),
    )
  }

  acquire(entry: Entry): Lease {
    const held = this.#held.get(entry.id) ?? this.#begin(entry)
    held.leases++
    let released = false
    return {
      get current() {
        return held.current
      },
      get fault() {
        return held.fault
      },
      release: () => {
        if (released) return
        released = true
        held.leases--
        // Else kept until its renewal instant, so that a caller that comes back is served at once.
        if (held.leases === 0 && held.current === undefined && !held.issuing) this.drop(held)
      },
    }
  }

  find(entryId: string): IdentityReading | undefined {
    const held = this.#held.get(entryId)
    return held && { current: held.current, fault: held.fault, retryAt: held.retryAt }
  }

  current(): readonly Identity[] {
    return [...this.#held.values()].flatMap((held) => held.current ?? [])
  }

  missing(): number {
    let count = 0
    for (const held of this.#held.values())
      if (held.leases > 0 && held.current === undefined) count++
    return count
  }

  expired(): number {
    let count = 0
    for (const held of this.#held.values()) if (held.leases > 0 && held.hasExpired) count++
    return count
  }

  onChange(listen: (entryId: string) => void): () => void {
    const own = (entryId: string): void => listen(entryId)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  async renewAll(predicate: (identity: Identity) => boolean = () => true): Promise<number> {
    const outcomes: Promise<boolean>[] = []
    for (const held of this.#held.values()) {
      if (held.current !== undefined && !predicate(held.current)) continue
      if (held.leases === 0) this.drop(held)
      else outcomes.push(held.renew())
    }
    const renewed = await Promise.all(outcomes)
    return renewed.filter(Boolean).length
  }

  close(): void {
    this.#unsubscribe()
    this.#watch.close()
    for (const held of this.#held.values()) this.drop(held)
  }

  queue(held: HeldIdentity): void {
    const slices = held.current === undefined ? this.#firsts : this.#renewals
    slices.add(held)
  }

  changed(held: HeldIdentity): void {
    const round = Array.from(this.#listeners)
    for (const listen of round) if (this.#listeners.has(listen)) listen(held.entry.id)
  }

  drop(held: HeldIdentity): void {
    held.stop()
    this.#firsts.drop(held)
    this.#renewals.drop(held)
    this.#held.delete(held.entry.id)
    const line = lineOf(held.entry)
    if (line !== undefined && this.#lines.get(line) === held) this.#lines.delete(line)
  }

  #begin(entry: Entry): HeldIdentity {
    const held = new HeldIdentity(entry, this, this.#options)
    this.#held.set(entry.id, held)
    const kept = this.#keptOf(entry)
    const line = lineOf(entry)
    if (line !== undefined) this.#lines.set(line, held)
    if (kept === undefined) held.attempt()
    else {
      held.resume(kept)
      const { current } = this.#options.authority.state
      if (standingOf(kept.svid.authorityId, current) !== 'trusted') held.attempt()
    }
    return held
  }

  /** What another entry of its line has, or what was kept from before a restart. */
  #keptOf(entry: Entry): KeptIdentity | undefined {
    const line = lineOf(entry)
    const present = line === undefined ? undefined : this.#lines.get(line)?.current
    const kept = present ?? this.#options.kept?.(entry)
    return kept !== undefined && this.#options.clock.now() < kept.svid.notAfter ? kept : undefined
  }

  #authorityChanged(now: AuthorityState, before: AuthorityState): void {
    const healed = before.fault !== undefined && now.fault === undefined
    const recovered = healed || activeOf(now) !== activeOf(before)
    const soon: HeldIdentity[] = []
    for (const held of this.#held.values()) {
      const signedBy = held.current?.svid.authorityId
      const [was, is] = [before, now].map((state) =>
        signedBy === undefined ? 'trusted' : standingOf(signedBy, state),
      )
      const isWorse = is !== was && is !== 'trusted'
      const isBack = recovered && held.fault !== undefined
      // It verifies nowhere any more.
      if (is === 'gone' && (isWorse || isBack)) void held.renew()
      // Make the next before this one breaks.
      else if (is === 'tainted' && (isWorse || isBack)) soon.push(held)
      else if (recovered) held.authorityRecovered()
    }
    this.#replaceSoon(soon)
  }

  /** All of them have an X.509-SVID that can be used yet. */
  #replaceSoon(these: readonly HeldIdentity[]): void {
    const { clock, random, spreads } = this.#options
    const used = these.filter(({ leases }) => leases > 0)
    let fraction = 0
    for (const [at, held] of used.entries()) {
      // A call of some costs what signs less than a call each.
      if (at % TOGETHER === 0) fraction = random.fraction()
      const leftMs = (held.current?.svid.notAfter ?? 0) - clock.now()
      const turn = { at, of: used.length, leftMs }
      held.replaceIn(spreads === true ? replacementDelay(turn, fraction) : 0)
    }
    for (const held of these) {
      if (held.leases > 0) continue
      this.drop(held)
      this.changed(held)
    }
  }
}

const activeOf = (state: AuthorityState): string | undefined =>
  state.slots.find((slot) => slot.status === 'active')?.authorityId
