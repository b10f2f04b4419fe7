/** Slots that look at the clock and do what rotation says; what is signed with them is decided by their owner. */
import { retryDelay } from '../../runtime/backoff.ts'
import type { Timer } from '../../runtime/clock.ts'
import { messageOf, SpindleError } from '../../runtime/errors.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { Random } from '../../runtime/random.ts'
import type { AuthorityEvent } from '../authority.ts'
import type { RotatingSlot } from './rotation.ts'
import { SlotSet } from './slot-set.ts'
import type { SlotSetOptions } from './slot-set.ts'
import type { SlotKind, SlotStore } from './slot-kind.ts'
import type { Withdrawal } from './withdrawal.ts'

/** The clock may jump or the machine sleep at any time, so no look is further off than this. */
const LOOK_EVERY_MS = 10_000
const RETRY = { baseMs: 500, maxMs: LOOK_EVERY_MS }
/** Each attempt makes a key; a tenth of a life that is nearly over would be no pause at all. */
const SHORTEST_RETRY_MS = 100

export interface RotatingSlotsOptions<Slot extends RotatingSlot, State> extends SlotSetOptions<
  Slot,
  State
> {
  readonly random: Random
}

/** Resolves once one can sign. @throws SpindleError where no first one can be made. */
export async function openRotatingSlots<Slot extends RotatingSlot, State>(
  kind: SlotKind<Slot, State>,
  store: SlotStore<Slot>,
  options: RotatingSlotsOptions<Slot, State>,
): Promise<RotatingSlots<Slot, State>> {
  const slots = new RotatingSlots(new SlotSet(kind, store, options), options)
  await slots.start()
  return slots
}

export class RotatingSlots<Slot extends RotatingSlot, State> {
  readonly state: Feed<State>
  readonly #set: SlotSet<Slot, State>
  readonly #options: RotatingSlotsOptions<Slot, State>
  #failures = 0
  #timer: Timer | undefined
  #unwatch: () => void = () => {}
  #closed = false
  /** The look that those who have nothing to sign with wait for. */
  #looking: Promise<void> | undefined
  /** The end of the line of changes: one at a time, each seeing the outcome of the one before. */
  #line: Promise<unknown> = Promise.resolve()

  constructor(set: SlotSet<Slot, State>, options: RotatingSlotsOptions<Slot, State>) {
    this.#set = set
    this.#options = options
    this.state = set.state
  }

  async start(): Promise<void> {
    await this.#set.load()
    await this.#set.rotateNow()
    this.#arm()
    // A fault is told and shown in the state; nobody waits for this reload.
    this.#unwatch = this.#set.kind.watch(() => void this.reload().catch(() => {}))
  }

  /** The slot that signs now, with its key. @throws SpindleError `authority_unavailable` */
  async signer(): Promise<Slot> {
    if (this.#closed) throw this.unavailable()
    const signer = this.#set.signer()
    if (signer !== undefined) return signer
    // The clock jumped or the machine slept: what the next look would do is due now.
    // All that ask meanwhile wait for one look: a server above may be long in answering.
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    await this.#looking
    const next = this.#set.signer()
    if (next === undefined) throw this.unavailable()
    return next
  }

  prepare(): Promise<void> {
    return this.#changing(async () => {
      if (this.#set.successor() === undefined) await this.#set.prepare()
      else await this.#set.saveAgain()
      // Whoever prepares one for others must know that they have not been told.
      if (this.#options.announcer !== undefined) this.#expectPublished(this.#set.successor())
    })
  }

  activate(): Promise<void> {
    return this.#changing(async () => {
      await this.#set.saveAgain()
      const successor = this.#set.successor()
      if (successor === undefined) throw unavailable('no authority is prepared: prepare one first')
      // Were the agent to end now, nobody could verify what it had signed.
      this.#expectPublished(successor)
      return this.#set.activate(successor.authorityId)
    })
  }

  /** Prepares a next one (if none is prepared), which signs by itself once it was published for long enough. */
  supersede(): Promise<void> {
    return this.#changing(() => this.#set.supersede())
  }

  withdraw(what: Withdrawal, authorityId: string): Promise<void> {
    return this.#changing(() => this.#set.withdraw(what, authorityId))
  }

  async reload(): Promise<void> {
    try {
      await this.#changing(() => this.#set.reload())
      this.#tell({ kind: 'reloaded' })
    } catch (thrown) {
      this.#tell({ kind: 'reload_failed', message: messageOf(thrown) })
      throw thrown
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#unwatch()
    await this.#line.catch(() => {})
  }

  /** Why nothing can be signed. */
  unavailable(): SpindleError {
    const why = this.#closed ? 'it is closed' : (this.#set.fault() ?? 'its life is over')
    return unavailable(`${this.#set.kind.name} cannot sign now: ${why}`)
  }

  #expectPublished(successor: Slot | undefined): void {
    if (successor?.publishedAt !== undefined) return
    throw unavailable(`the prepared authority may not sign: ${this.#set.fault() ?? 'not stored'}`)
  }

  #tell(event: AuthorityEvent): void {
    this.#options.onEvent?.(event)
  }

  #inLine<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#line.then(run, run)
    this.#line = turn.catch(() => {})
    return turn
  }

  /** Makes a change asked for from outside, then does what has become due by it, whether it succeeded or not. */
  async #changing(change: () => Promise<void>): Promise<void> {
    if (this.#closed) throw this.unavailable()
    try {
      await this.#inLine(change)
    } finally {
      await this.#look()
    }
  }

  /** Does what is due and sets the time of the next look. Never rejects: a failure becomes the state's fault. */
  #look(): Promise<void> {
    return this.#inLine(async () => {
      if (this.#closed) return
      try {
        await this.#set.rotateNow()
        this.#failures = 0
        this.#arm()
      } catch (thrown) {
        this.#arm(this.#failed(thrown))
      }
    })
  }

  #failed(thrown: unknown): number {
    const { clock, random } = this.#options
    const signer = this.#set.signer()
    const limits =
      signer === undefined ? RETRY : { ...RETRY, lifeLeftMs: signer.notAfter - clock.now() }
    const delay = retryDelay(this.#failures++, limits, random.fraction())
    const retryMs = Math.max(delay, SHORTEST_RETRY_MS)
    const message = messageOf(thrown)
    this.#tell({ kind: 'failed', message, retryMs })
    this.#set.publish({ makeFault: message })
    return retryMs
  }

  #arm(retryMs?: number): void {
    this.#timer?.cancel()
    if (this.#closed) return
    const { clock } = this.#options
    const dueMs = retryMs ?? Math.max(this.#set.rotation().lookAt - clock.now(), 0)
    this.#timer = clock.after(Math.min(dueMs, LOOK_EVERY_MS), () => void this.#look())
  }
}

const unavailable = (why: string): SpindleError => new SpindleError('authority_unavailable', why)

/** An SVID shorter than this is of no use to anyone: the refusal is retried, and says why. */
export function leastLife(ttlMs: number): number {
  return Math.max(Math.min(ttlMs / 10, 60_000), 1_000)
}

/** Slots begin this long before they are made, for clocks that are behind. */
export const BACKDATE_MS = 10_000
/** X.509 and JWT instants are whole seconds; cut, so that nothing ends later than it may. */
export const wholeSecond = (instant: number): number => Math.floor(instant / 1_000) * 1_000
