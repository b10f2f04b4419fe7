/**
 * An X.509 authority over its slots: looks at the clock, does what rotation says, and signs. What is particular to an
 * attached CA is in its `CaSource`.
 */
import { issueLeaf } from '../certs/issuer.ts'
import { retryDelay } from '../runtime/backoff.ts'
import type { Timer } from '../runtime/clock.ts'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import type { Feed } from '../runtime/feed.ts'
import { trustDomainId } from '../spiffe/spiffe-id.ts'
import type { AuthorityState, IssuedX509Svid, X509Authority, X509Request } from './authority.ts'
import { serialNumber } from './slot.ts'
import type { AuthorityEvent, CaSource, SlotStore } from './slot.ts'
import { BACKDATE_MS, SlotSet, wholeSecond } from './slot-set.ts'
import type { AuthorityOptions, Signer } from './slot-set.ts'

/** The clock may jump or the machine sleep at any time, so no look is further off than this. */
const LOOK_EVERY_MS = 10_000
const RETRY = { baseMs: 500, maxMs: LOOK_EVERY_MS }
/** Each attempt makes a key; a tenth of a life that is nearly over would be no pause at all. */
const SHORTEST_RETRY_MS = 100

/** Resolves once it can sign. @throws SpindleError where `source` cannot give a first certificate. */
export async function createSlotAuthority(
  source: CaSource,
  store: SlotStore,
  options: AuthorityOptions,
): Promise<X509Authority> {
  const authority = new SlotAuthority(new SlotSet(source, store, options), options)
  await authority.start(source)
  return authority
}

class SlotAuthority implements X509Authority {
  readonly state: Feed<AuthorityState>
  readonly #set: SlotSet
  readonly #options: AuthorityOptions
  #failures = 0
  #timer: Timer | undefined
  #unwatch: () => void = () => {}
  #closed = false
  /** The end of the line of changes: one at a time, each seeing the outcome of the one before. */
  #line: Promise<unknown> = Promise.resolve()

  constructor(set: SlotSet, options: AuthorityOptions) {
    this.#set = set
    this.#options = options
    this.state = set.state
  }

  async start(source: CaSource): Promise<void> {
    await this.#set.load()
    await this.#set.rotateNow()
    this.#arm()
    // A fault is told and shown in the state; nobody waits for this reload.
    this.#unwatch = source.watch(() => void this.reload().catch(() => {}))
  }

  async issue(request: X509Request): Promise<IssuedX509Svid> {
    const { clock, random, trustDomain } = this.#options
    const { spiffeId, dnsNames, spki, ttlMs } = request
    // XL-12: an authority signs for its own trust domain only.
    if (!spiffeId.startsWith(`${trustDomainId(trustDomain)}/`)) {
      throw new SpindleError('request_invalid', `${spiffeId} is no workload of ${trustDomain}`)
    }
    const signer = await this.#signer()
    const started = clock.monotonic()
    const now = clock.now()
    const notBefore = wholeSecond(now - BACKDATE_MS)
    const notAfter = wholeSecond(Math.min(now + ttlMs, signer.notAfter))
    if (notAfter - now < leastLife(ttlMs)) throw this.#unavailable()
    const serial = serialNumber(random)
    const wanted = { spiffeId, dnsNames, spki, notBefore, notAfter, serial }
    const leaf = await issueLeaf(signer.issuer, wanted)
    this.#tell({ kind: 'issued', tookMs: clock.monotonic() - started })
    return {
      chain: [leaf, ...signer.intermediates],
      notBefore,
      notAfter,
      issuedAt: now,
      authorityId: signer.authorityId,
    }
  }

  prepare(): Promise<void> {
    return this.#changing(async () => {
      if (this.#set.successor() === undefined) await this.#set.prepare()
    })
  }

  activate(): Promise<void> {
    return this.#changing(async () => {
      const successor = this.#set.successor()
      if (successor === undefined) throw unavailable('no authority is prepared: prepare one first')
      // Were the agent to end now, nobody could verify what it had signed.
      if (successor.publishedAt === undefined)
        throw unavailable(
          `the prepared authority may not sign: ${this.#set.fault() ?? 'not stored'}`,
        )
      return this.#set.activate(successor.authorityId)
    })
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
    if (this.#closed) throw this.#unavailable()
    try {
      await this.#inLine(change)
    } finally {
      await this.#look()
    }
  }

  async #signer(): Promise<Signer> {
    if (this.#closed) throw this.#unavailable()
    const signer = this.#set.signer()
    if (signer !== undefined) return signer
    // The clock jumped or the machine slept: what the next look would do is due now.
    await this.#look()
    const next = this.#set.signer()
    if (next === undefined) throw this.#unavailable()
    return next
  }

  #unavailable(): SpindleError {
    const why = this.#closed ? 'it is closed' : (this.#set.fault() ?? 'its life is over')
    return new SpindleError('authority_unavailable', `the authority cannot sign now: ${why}`)
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
    this.#set.publish({ mintFault: message })
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
function leastLife(ttlMs: number): number {
  return Math.max(Math.min(ttlMs / 10, 60_000), 1_000)
}
