/** The slots of one authority: made, activated and dropped, always stored and published in that order. */
import type { Clock } from '../../runtime/clock.ts'
import { messageOf, SpindleError } from '../../runtime/errors.ts'
import { createFeed } from '../../runtime/feed.ts'
import type { MutableFeed } from '../../runtime/feed.ts'
import type { AuthorityEvent } from '../authority.ts'
import { activated, isRetired, rotate, successorOf, usable } from './rotation.ts'
import type { RotatingSlot, Rotation, RotationAction } from './rotation.ts'
import type { Announcer, SlotKind, SlotStore } from './slot-kind.ts'
import { revoked, tainted } from './withdrawal.ts'
import type { Withdrawal } from './withdrawal.ts'

export interface SlotSetOptions<Slot extends RotatingSlot, State> {
  readonly clock: Clock
  readonly onEvent?: (event: AuthorityEvent) => void
  /** undefined: to have them stored is to have them published. */
  readonly announcer?: Announcer<Slot, State>
}

export class SlotSet<Slot extends RotatingSlot, State> {
  readonly state: MutableFeed<State>
  readonly kind: SlotKind<Slot, State>
  readonly #store: SlotStore<Slot>
  readonly #options: SlotSetOptions<Slot, State>
  #slots: readonly Slot[] = []
  #saved = true
  #saveFault: string | undefined
  #makeFault: string | undefined

  constructor(
    kind: SlotKind<Slot, State>,
    store: SlotStore<Slot>,
    options: SlotSetOptions<Slot, State>,
  ) {
    this.kind = kind
    this.#store = store
    this.#options = options
    this.state = createFeed(kind.stateOf([], options.clock.now(), undefined))
  }

  async load(): Promise<void> {
    const { announcer } = this.#options
    const kept = await this.#store.load()
    const known = (await announcer?.reconciled(kept)) ?? kept
    this.#slots = known
      .filter((slot) => this.kind.trusts(slot))
      .map((slot) => (isRetired(slot) ? this.kind.retired(slot) : slot))
    this.#saved = this.#slots.length === kept.length
    if (announcer !== undefined && kept.length > 0) await this.#save()
  }

  rotation(): Rotation {
    const now = this.#options.clock.now()
    const { publishMs = 0 } = this.kind
    const furthest = this.kind.furthest(now)
    const publishedFirst = this.#options.announcer !== undefined
    return rotate(this.#rotating(), now, { furthest, publishMs, publishedFirst })
  }

  /** Does all that is due, and stores what could not be stored before. @throws where none can be made. */
  async rotateNow(): Promise<void> {
    // Prune, prepare and activate follow one another in an emergency; more rounds than these are never needed.
    for (let round = 0; round < 8; round++) {
      const { actions } = this.rotation()
      if (actions.length === 0) break
      for (const action of actions) await this.#act(action)
    }
    await this.saveAgain()
    this.publish({ makeFault: undefined })
  }

  /** Where it could not be stored, or the others not be told. */
  async saveAgain(): Promise<void> {
    if (!this.#saved) await this.#save()
  }

  /**
   * The slot that signs now. Where others verify what it signs, one signs on when the clock went back to before its life: that is
   * not the time, and whoever has it would not know another one yet.
   */
  signer(): Slot | undefined {
    const { announcer, clock } = this.#options
    const now = clock.now()
    return this.#slots.find(
      (slot) =>
        slot.status === 'active' &&
        (announcer === undefined ? usable(slot, now) : now < slot.notAfter),
    )
  }

  successor(): Slot | undefined {
    return successorOf(this.#slots, this.#options.clock.now())
  }

  async prepare(): Promise<void> {
    const { clock } = this.#options
    if (this.kind.furthest(clock.now()) <= clock.now()) {
      throw new SpindleError('authority_unavailable', 'the attached CA has expired')
    }
    const slot = await this.kind.make()
    await this.#change([...this.#slots, slot])
    const { authorityId, notAfter } = slot
    this.#tell({ kind: 'prepared', authorityId, notAfter })
  }

  async activate(authorityId: string): Promise<void> {
    await this.#confirm()
    const next = activated(this.#slots, authorityId)
    await this.#change(next.map((slot) => (slot.status === 'old' ? this.kind.retired(slot) : slot)))
    this.#tell({ kind: 'activated', authorityId, notAfter: this.#endOf(authorityId) })
  }

  /** Has the active slot replaced as soon as a successor was published for long enough. */
  async supersede(): Promise<void> {
    if (this.successor() === undefined) await this.prepare()
    await this.#change(
      this.#slots.map((slot) => (slot.status === 'active' ? { ...slot, superseded: true } : slot)),
    )
  }

  /** @throws SpindleError where it may not be, or is but could not be stored. */
  async withdraw(what: Withdrawal, authorityId: string): Promise<void> {
    const next = (what === 'taint' ? tainted : revoked)(this.#slots, authorityId)
    const changes = next !== this.#slots
    const notAfter = this.#endOf(authorityId)
    if (changes || !this.#saved) await this.#change(next)
    const kind = what === 'taint' ? 'tainted' : 'revoked'
    if (changes) this.#tell({ kind, authorityId, notAfter })
    if (this.#saved) return
    // It holds here; after a crash it would not, and whoever asked must know.
    const fault = `${authorityId} is ${kind}, but ${this.#saveFault ?? 'it is not stored'}`
    throw new SpindleError('authority_unavailable', fault)
  }

  async reload(): Promise<void> {
    await this.kind.reload()
    // A prepared slot of the CA before has signed nothing yet, and what it would sign is not wanted any more.
    const kept = this.#slots.filter(
      (slot) => this.kind.trusts(slot) && (slot.status !== 'prepared' || this.kind.current(slot)),
    )
    if (kept.length !== this.#slots.length) await this.#change(kept)
    // What the others were told may have changed with it, and is told by the next look.
    else if (this.#options.announcer !== undefined) this.#saved = false
  }

  fault(): string | undefined {
    return this.#makeFault ?? this.kind.fault(this.#options.clock.now()) ?? this.#saveFault
  }

  publish(change: { readonly makeFault?: string | undefined } = {}): void {
    if ('makeFault' in change) this.#makeFault = change.makeFault
    const next = this.kind.stateOf(this.#rotating(), this.#options.clock.now(), this.fault())
    if (!this.kind.same(next, this.state.current)) this.state.set(next)
  }

  #rotating(): readonly Slot[] {
    return this.#slots.map((slot) => {
      const superseded = slot.superseded === true || !this.kind.current(slot)
      return { ...slot, superseded }
    })
  }

  #endOf(authorityId: string): number {
    return this.#slots.find((slot) => slot.authorityId === authorityId)?.notAfter ?? 0
  }

  #tell(event: AuthorityEvent): void {
    this.#options.onEvent?.(event)
  }

  async #act(action: RotationAction): Promise<void> {
    if (action.kind === 'prepare') return this.prepare()
    const { authorityId } = action
    if (action.kind === 'activate') return this.activate(authorityId)
    const notAfter = this.#endOf(authorityId)
    await this.#change(this.#slots.filter((slot) => slot.authorityId !== authorityId))
    this.#tell({ kind: 'pruned', authorityId, notAfter })
  }

  /** Nothing begins to sign while nobody can be told of what comes after; where nothing else could sign, it must. */
  async #confirm(): Promise<void> {
    try {
      await this.#announce(this.#slots)
    } catch (thrown) {
      if (this.signer() !== undefined) throw thrown
    }
  }

  async #announce(slots: readonly Slot[]): Promise<void> {
    const { announcer, clock } = this.#options
    if (announcer === undefined) return
    await announcer.announce(this.kind.stateOf(slots, clock.now(), this.fault()), slots)
  }

  async #change(slots: readonly Slot[]): Promise<void> {
    this.#slots = slots
    await this.#save()
    this.publish()
  }

  /**
   * Stored before it is published: a key that a crash could lose would leave SVIDs nobody can verify. Where storing
   * fails the slot is published all the same, but counts as unpublished, so that it signs in an emergency only.
   */
  async #save(): Promise<void> {
    // A whole millisecond, as it is stored, and not before it is out.
    const now = Math.ceil(this.#options.clock.now())
    const published = this.#slots.map((slot) => ({ ...slot, publishedAt: slot.publishedAt ?? now }))
    try {
      await this.#store.save(published)
      await this.#announce(published)
      this.#slots = published
      this.#saved = true
      this.#saveFault = undefined
    } catch (thrown) {
      this.#saved = false
      this.#saveFault = `${this.kind.name}'s state cannot be stored: ${messageOf(thrown)}`
      this.#tell({ kind: 'unsaved', message: this.#saveFault })
    }
  }
}
