import { generateKey } from '../../certs/keys.ts'
import { envoyFaults } from '../../certs/parse.ts'
import type { Entry } from '../../registration/entry.ts'
import { retryDelay } from '../../runtime/backoff.ts'
import type { Timer } from '../../runtime/clock.ts'
import { codeOf, messageOf, SpindleError } from '../../runtime/errors.ts'
import { belatedRenewalInstant, renewalInstant } from '../../runtime/renewal.ts'
import type { IdentitiesOptions, Keeper } from './identities-options.ts'
import type { Identity, KeptIdentity } from './identity.ts'
import { hasLostTrust } from './signer-standing.ts'

const RETRY = { baseMs: 250, maxMs: 30_000 }
/** While what signs for many is away: it is told when that is over, so this is for what was not told of. */
const SELDOM_MS = 300_000
const LAST_SHARE = 1 / 20
/** A tenth of a life that is nearly over would be no pause at all. */
const SHORTEST_RETRY_MS = 100

/** One entry's identity: its present certificate, and when the next is due. */
export class HeldIdentity {
  readonly entry: Entry
  leases = 0
  /** Why the last attempt to issue failed; undefined once one succeeds. */
  fault: string | undefined
  /** After a fault: when the next attempt is due (ms since the epoch). */
  retryAt: number | undefined
  readonly #options: IdentitiesOptions
  readonly #keeper: Keeper<HeldIdentity>
  #latest: Identity | undefined
  /** What was current when last told. */
  #told: Identity | undefined
  #failures = 0
  #issuing = false
  #stopped = false
  /** Called with the outcome of the next attempt that begins. */
  #waiting: ((renewed: boolean) => void)[] = []
  /** To the renewal instant, or to the next attempt after one that failed. */
  #due: Timer | undefined
  #end: Timer | undefined

  constructor(entry: Entry, keeper: Keeper<HeldIdentity>, options: IdentitiesOptions) {
    this.entry = entry
    this.#keeper = keeper
    this.#options = options
  }

  /** Goes on with what was kept, which is not over yet: nothing is issued before it is due. */
  resume({ svid, pkcs8, renewAt }: KeptIdentity): void {
    this.#latest = this.#told = { entry: this.entry, svid, pkcs8, renewAt }
    if (renewAt <= this.#options.clock.now()) this.#postpone()
    this.#arm()
  }

  /** What signs does so again. */
  authorityRecovered(): void {
    // Should what was asked before fail yet, the next attempt is soon.
    if (this.#issuing) this.#failures = 0
    if (this.fault === undefined || this.#issuing || this.#stopped) return
    if (this.#options.spreads !== true || this.current === undefined) return this.attempt()
    this.#postpone()
    this.#wait()
  }

  /** Makes it due in so many ms, or when it is anyway; one that is overdue, or has failed, waits for as long. */
  replaceIn(delayMs: number): void {
    if (delayMs <= 0) return this.attempt()
    if (this.#latest === undefined || this.#issuing || this.#stopped) return
    const { now, renewAt } = { now: this.#options.clock.now(), ...this.#latest }
    this.#draw(renewAt <= now ? now + delayMs : Math.min(renewAt, now + delayMs))
    this.#wait()
  }

  /** Nothing expired is ever current. */
  get current(): Identity | undefined {
    const latest = this.#latest
    const now = this.#options.clock.now()
    return latest !== undefined && now < latest.svid.notAfter ? latest : undefined
  }

  /** It had one, and has not got the next. */
  get hasExpired(): boolean {
    return this.#latest !== undefined && this.current === undefined
  }

  get issuing(): boolean {
    return this.#issuing
  }

  /** Renews it now, keeping what it has until then. Resolves to whether the first attempt begun from now on succeeded. */
  renew(): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false)
    return new Promise((done) => {
      this.#waiting.push(done)
      this.attempt()
    })
  }

  /** Tries to issue now instead of when it is due; where that is under way already, nothing more. */
  attempt(): void {
    if (this.#issuing || this.#stopped) return
    this.#due?.cancel()
    this.#keeper.queue(this)
  }

  async issue(): Promise<void> {
    if (this.#issuing || this.#stopped) return
    this.#issuing = true
    const { state } = this.#options.authority
    const before = state.current
    const waiting = this.#waiting
    this.#waiting = []
    let renewed = false
    try {
      await this.#replace()
      renewed = true
    } catch (thrown) {
      this.#failed(thrown)
    }
    this.#issuing = false
    const isOvertaken = renewed && hasLostTrust(this.#latest?.svid, before, state.current)
    if (this.#waiting.length > 0 || isOvertaken) this.attempt()
    for (const done of waiting) done(renewed)
  }

  /**
   * The wall clock went another way than the timers: sets them anew.
   * @returns whether it is overdue, with life left: who calls decides when it is renewed
   */
  clockJumped(): boolean {
    if (this.#latest === undefined) return false
    this.#arm()
    this.#tell()
    const now = this.#options.clock.now()
    // Set back to before its life: peers would not take it yet, so it is issued anew.
    const early = now < this.#latest.svid.notBefore
    const isDue = this.fault !== undefined || this.#latest.renewAt <= now
    const canWait = this.current !== undefined && !early
    if (early || (isDue && !canWait)) this.#next()
    return isDue && canWait
  }

  stop(): void {
    this.#stopped = true
    this.#due?.cancel()
    this.#end?.cancel()
    for (const done of this.#waiting) done(false)
    this.#waiting = []
  }

  /** Whether what signs will be heard of before it matters: it is tried, told away or not, near the end. */
  get #canWait(): boolean {
    const { clock, spreads } = this.#options
    const svid = this.current?.svid
    if (spreads !== true || svid === undefined) return false
    return svid.notAfter - clock.now() > (svid.notAfter - svid.issuedAt) * LAST_SHARE
  }

  async #replace(): Promise<void> {
    const { authority, clock, random, keyType, ttlMs, check = envoyFaults } = this.#options
    const { entry } = this
    const away = authority.state.current.fault
    // Whoever asked now would be the first of all that wait, before they are spread.
    if (away !== undefined && this.#canWait) throw new SpindleError('authority_unavailable', away)
    const started = clock.monotonic()
    const key = await generateKey(keyType)
    const svid = await authority.issue({
      spiffeId: entry.spiffeId,
      dnsNames: entry.dnsNames,
      spki: key.spki,
      ttlMs: entry.x509SvidTtlMs ?? ttlMs,
      ...(entry.serverId !== undefined && { onServer: { entryId: entry.serverId, key } }),
    })
    const faults = check({ chain: svid.chain, pkcs8: key.pkcs8 }, clock.now())
    if (faults.length > 0) {
      throw new SpindleError('certificate_invalid', `Envoy would refuse it: ${faults.join('; ')}`)
    }
    if (this.#stopped) return

    const before = this.#latest
    this.#latest = {
      entry,
      svid,
      pkcs8: key.pkcs8,
      renewAt: renewalInstant(svid, random.fraction()),
    }
    this.fault = undefined
    this.retryAt = undefined
    this.#failures = 0
    this.#arm()
    this.#tell()
    const lag = before === undefined ? -1 : clock.now() - before.renewAt
    this.#options.onEvent?.({
      kind: 'issued',
      entry,
      renewal: before !== undefined,
      svid,
      tookMs: clock.monotonic() - started,
      lagMs: lag < 0 ? undefined : lag,
    })
  }

  #failed(thrown: unknown): void {
    if (this.#stopped) return
    const { current } = this
    if (this.leases === 0 && current === undefined) return this.#keeper.drop(this)
    const { clock, random, spreads } = this.#options
    const message = messageOf(thrown)
    const limits =
      current === undefined
        ? RETRY
        : {
            ...RETRY,
            ...(spreads === true && { maxMs: SELDOM_MS }),
            lifeLeftMs: current.svid.notAfter - clock.now(),
          }
    const delay = retryDelay(this.#failures++, limits, random.fraction())
    const retryMs = Math.max(delay, SHORTEST_RETRY_MS)
    this.fault = message
    this.retryAt = clock.now() + retryMs
    this.#due?.cancel()
    this.#due = clock.after(retryMs, () => this.#next())
    this.#options.onEvent?.({
      kind: 'failed',
      entry: this.entry,
      renewal: this.#latest !== undefined,
      code: codeOf(thrown),
      message,
      retryMs,
    })
  }

  /** Draws an instant anew, where the one that was drawn has passed with others'. */
  #postpone(): void {
    const { clock, random, spreads } = this.#options
    if (spreads !== true || this.#latest === undefined) return
    const left = { now: clock.now(), notAfter: this.#latest.svid.notAfter }
    this.#draw(belatedRenewalInstant(left, random.fraction()))
  }

  /** The same content: nobody is told. */
  #draw(renewAt: number): void {
    if (this.#latest === undefined) return
    this.#latest = { ...this.#latest, renewAt }
    if (this.#told !== undefined) this.#told = this.#latest
  }

  /** For the instant that was drawn, with nothing against it. */
  #wait(): void {
    this.fault = undefined
    this.retryAt = undefined
    this.#failures = 0
    this.#arm()
  }

  /** Sets both timers by the wall clock as it stands. */
  #arm(): void {
    const { clock } = this.#options
    this.#due?.cancel()
    this.#end?.cancel()
    if (this.#latest === undefined) return
    const { renewAt, svid } = this.#latest
    const now = clock.now()
    this.#due = clock.after(Math.max(renewAt - now, 0), () => this.#renewalDue())
    if (now < svid.notAfter) this.#end = clock.after(svid.notAfter - now, () => this.#ended())
  }

  #renewalDue(): void {
    // A wall clock that is slowed to correct it comes to the instant a little after the timer does.
    if (this.#latest !== undefined && this.#options.clock.now() < this.#latest.renewAt) this.#arm()
    else this.#next()
  }

  #next(): void {
    if (this.leases === 0) this.#keeper.drop(this)
    else this.attempt()
  }

  #ended(): void {
    const { clock } = this.#options
    if (this.current !== undefined) {
      const left = this.current.svid.notAfter - clock.now()
      this.#end = clock.after(left, () => this.#ended())
      return
    }
    this.#tell()
    if (this.leases === 0) this.#keeper.drop(this)
  }

  #tell(): void {
    const { current, entry } = this
    const before = this.#told
    if (current === before) return
    this.#told = current
    if (current === undefined && before !== undefined) {
      this.#options.onEvent?.({ kind: 'expired', entry, notAfter: before.svid.notAfter })
    }
    this.#keeper.changed(this)
  }
}
