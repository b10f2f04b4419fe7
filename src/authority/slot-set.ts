/** The slots of one authority: made, activated and dropped, always stored and published in that order. */
import { createIssuer } from '../certs/issuer.ts'
import type { Issuer } from '../certs/issuer.ts'
import { generateKey } from '../certs/keys.ts'
import type { KeyType } from '../certs/keys.ts'
import { parseCertificate } from '../certs/parse.ts'
import type { Clock } from '../runtime/clock.ts'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import { createFeed } from '../runtime/feed.ts'
import type { Random } from '../runtime/random.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { AuthorityState } from './authority.ts'
import { activated, rotate, successorOf, usable } from './rotation.ts'
import type { RotatingSlot, Rotation, RotationAction } from './rotation.ts'
import { serialNumber } from './slot.ts'
import type { AuthorityEvent, CaSlot, CaSource, SlotStore } from './slot.ts'
import { sameState, stateOf } from './state.ts'

export interface AuthorityOptions {
  readonly trustDomain: TrustDomain
  /** Of the CA keys. */
  readonly keyType: KeyType
  readonly caTtlMs: number
  readonly clock: Clock
  readonly random: Random
  readonly onEvent?: (event: AuthorityEvent) => void
}

export interface Signer {
  readonly issuer: Issuer
  readonly authorityId: string
  /** The earliest end of what an SVID's chain will hold (ms since the epoch). */
  readonly notAfter: number
  readonly intermediates: readonly Buffer[]
}

/** Certificates begin this long before they are issued, for clocks that are behind. */
export const BACKDATE_MS = 10_000
/** X.509 instants are whole seconds; cut, so that nothing ends later than it may. */
export const wholeSecond = (instant: number): number => Math.floor(instant / 1_000) * 1_000

export class SlotSet {
  readonly state = createFeed<AuthorityState>({ anchors: [], slots: [] })
  readonly #source: CaSource
  readonly #store: SlotStore
  readonly #options: AuthorityOptions
  #slots: readonly CaSlot[] = []
  #saved = true
  #saveFault: string | undefined
  #mintFault: string | undefined

  constructor(source: CaSource, store: SlotStore, options: AuthorityOptions) {
    this.#source = source
    this.#store = store
    this.#options = options
  }

  async load(): Promise<void> {
    const kept = await this.#store.load()
    this.#slots = kept.filter((slot) => this.#source.trusts(slot))
    this.#saved = this.#slots.length === kept.length
  }

  rotation(): Rotation {
    const now = this.#options.clock.now()
    return rotate(this.#rotating(), now, { furthest: this.#source.furthest(now) })
  }

  /** Does all that is due, and stores what could not be stored before. @throws where no certificate can be had. */
  async rotateNow(): Promise<void> {
    // Prune, prepare and activate follow one another in an emergency; more rounds than these are never needed.
    for (let round = 0; round < 8; round++) {
      const { actions } = this.rotation()
      if (actions.length === 0) break
      for (const action of actions) await this.#act(action)
    }
    if (!this.#saved) await this.#save()
    this.publish({ mintFault: undefined })
  }

  /** The slot that signs now. */
  signer(): Signer | undefined {
    const now = this.#options.clock.now()
    const active = this.#slots.find((slot) => slot.status === 'active' && usable(slot, now))
    if (active?.issuer === undefined) return undefined
    const { issuer, authorityId, notAfter } = active
    return { issuer, authorityId, notAfter, intermediates: this.#source.intermediates(active) }
  }

  successor(): CaSlot | undefined {
    return successorOf(this.#slots, this.#options.clock.now())
  }

  async prepare(): Promise<void> {
    const { keyType, caTtlMs, random, clock } = this.#options
    if (this.#source.furthest(clock.now()) <= clock.now()) {
      throw new SpindleError('authority_unavailable', 'the attached CA has expired')
    }
    const key = await generateKey(keyType)
    const now = clock.now()
    const { certificates, signedBy } = await this.#source.mint(key, {
      notBefore: wholeSecond(now - BACKDATE_MS),
      notAfter: wholeSecond(Math.min(now + caTtlMs, this.#source.furthest(now))),
      serial: serialNumber(random),
    })
    const [own, ...above] = certificates
    if (own === undefined) throw new SpindleError('internal', 'the CA gave no certificate')
    const issuer = createIssuer(own, key, 'the CA certificate just made')
    const ends = above.map((der) => parseCertificate(der, 'the chain of the CA').notAfter)
    const { authorityId, notBefore } = issuer
    const notAfter = Math.min(issuer.notAfter, ...ends)
    const slot = { certificates, signedBy, issuer, authorityId, notBefore, notAfter }
    await this.#change([...this.#slots, { ...slot, status: 'prepared' }])
    this.#tell({ kind: 'prepared', authorityId, notAfter })
  }

  async activate(authorityId: string): Promise<void> {
    const next = activated(this.#slots, authorityId).map((slot): CaSlot => {
      if (slot.status !== 'old') return slot
      const { issuer: _key, ...rest } = slot
      return rest
    })
    await this.#change(next)
    this.#tell({ kind: 'activated', authorityId, notAfter: this.#endOf(authorityId) })
  }

  async reload(): Promise<void> {
    await this.#source.reload()
    // A prepared slot of the CA before has signed nothing yet, and what it would sign is not wanted any more.
    const kept = this.#slots.filter(
      (slot) =>
        this.#source.trusts(slot) && (slot.status !== 'prepared' || this.#source.current(slot)),
    )
    if (kept.length !== this.#slots.length) await this.#change(kept)
  }

  fault(): string | undefined {
    return this.#mintFault ?? this.#source.fault(this.#options.clock.now()) ?? this.#saveFault
  }

  publish(change: { readonly mintFault?: string | undefined } = {}): void {
    if ('mintFault' in change) this.#mintFault = change.mintFault
    const next = stateOf(this.#rotating(), this.#options.clock.now(), {
      anchors: this.#source.anchors(this.#slots),
      attached: this.#source.attached(),
      fault: this.fault(),
    })
    if (!sameState(next, this.state.current)) this.state.set(next)
  }

  #rotating(): readonly RotatingSlot[] {
    return this.#slots.map((slot) => ({ ...slot, superseded: !this.#source.current(slot) }))
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

  async #change(slots: readonly CaSlot[]): Promise<void> {
    this.#slots = slots
    await this.#save()
    this.publish()
  }

  /**
   * Stored before it is published: a CA that a crash could lose would leave SVIDs nobody can verify. Where storing
   * fails the slot is published all the same, but counts as unpublished, so that it signs in an emergency only.
   */
  async #save(): Promise<void> {
    const now = this.#options.clock.now()
    const published = this.#slots.map((slot) => ({ ...slot, publishedAt: slot.publishedAt ?? now }))
    try {
      await this.#store.save(published)
      this.#slots = published
      this.#saved = true
      this.#saveFault = undefined
    } catch (thrown) {
      this.#saved = false
      this.#saveFault = `the authority's state cannot be stored: ${messageOf(thrown)}`
      this.#tell({ kind: 'unsaved', message: this.#saveFault })
    }
  }
}
