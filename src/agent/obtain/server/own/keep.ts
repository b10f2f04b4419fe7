/** The agent's own SVID from attestation to renewal to attestation, for as long as the agent runs. Nothing here ends the process. */
import { writeCsr } from '../../../../certs/csr/write.ts'
import { generateKey } from '../../../../certs/keys.ts'
import type { KeyType } from '../../../../certs/keys.ts'
import { Agent } from '../../../../gen/spire/api/server/agent/v1/agent_pb.js'
import { retryDelay } from '../../../../runtime/backoff.ts'
import type { Clock } from '../../../../runtime/clock.ts'
import type { Feed } from '../../../../runtime/feed.ts'
import { createFeed } from '../../../../runtime/feed.ts'
import type { Random } from '../../../../runtime/random.ts'
import { renewalInstant } from '../../../../runtime/renewal.ts'
import type { TrustDomain } from '../../../../spiffe/spiffe-id.ts'
import { CallFault } from '../../../../wire/call-fault.ts'
import { attest } from '../attest/attest.ts'
import type { Proof } from '../attest/proof.ts'
import { authoritiesOf } from '../bootstrap.ts'
import { CALL_MS } from '../calls.ts'
import type { Connections } from '../connections.ts'
import { denialOf, wordsOf } from '../denial.ts'
import { createPause } from '../pause.ts'
import type { Trust } from '../trust.ts'
import { checkOwnSvid } from './svid.ts'
import type { OwnSvid } from './svid.ts'

export type AttemptOutcome =
  | { readonly attested: boolean; readonly svid: OwnSvid }
  | { readonly fault: string; readonly retryMs: number }

export interface KeepOptions {
  readonly trustDomain: TrustDomain
  readonly keyType: KeyType
  readonly clock: Clock
  readonly random: Random
  readonly proof: Proof
  readonly trust: Trust
  readonly connections: Connections
  /** What a process before this one had, where it is in force by now: a clock may be wrong while a host starts. */
  readonly recall: () => OwnSvid | undefined
  /** Fills `trust` where it is empty. */
  readonly bootstrap: () => Promise<void>
  readonly svid: { readonly current: OwnSvid | undefined; set(svid: OwnSvid): void }
  readonly onAttempt: (outcome: AttemptOutcome) => void
}

export interface OwnSvidKeeper {
  /** Why there is no SVID, or no next one; undefined: all is well. */
  readonly fault: Feed<string | undefined>
  /** The server says that the SVID counts no more. */
  denied(): void
  /** The server says that the agent is banned. */
  banned(): void
  /** What signed it will be trusted no more soon. */
  renewNow(): void
  close(): void
}

const LEAST_LIFE_MS = 2_000
/** What is tainted is tainted for all agents at the same moment, and each has a connection to make for its next SVID. */
const SPREAD_MS = 5_000
/** Of what is left of its life. */
const SPREAD_SHARE = 0.25
/** The wall clock may go another way than timers do. */
const LOOK_AGAIN_MS = 10_000
const UNREACHABLE = { baseMs: 500, maxMs: 10_000 }
/** Where the server has said no: to ask again soon would be answered alike. */
const REFUSED = { baseMs: 1_000, maxMs: 60_000 }
const BANNED = { baseMs: 300_000, maxMs: 600_000 }

export function keepOwnSvid(options: KeepOptions): OwnSvidKeeper {
  const keeper = new Keeper(options)
  void keeper.run()
  return {
    fault: keeper.fault,
    denied: () => keeper.denied(),
    banned: () => keeper.banned(),
    renewNow: () => keeper.renewNow(),
    close: () => keeper.close(),
  }
}

class Keeper {
  readonly fault = createFeed<string | undefined>(undefined)
  readonly #options: KeepOptions
  readonly #pause
  #renewAt = 0
  #obtainedAt = 0
  /** The same by the monotonic clock. */
  #obtained = -Infinity
  #failures = 0
  #wasAnswered = false
  #mustAttest = false
  #isBanned = false
  #isAsking = false
  /** What signs the next one was said to be trusted no more soon, while it was asked for. */
  #isOvertaken = false
  #closed = false

  constructor(options: KeepOptions) {
    this.#options = options
    this.#pause = createPause(options.clock)
    const { current } = options.svid
    if (current !== undefined) this.#draw(current, current.notBefore)
  }

  denied(): void {
    if (this.#mustAttest) return
    this.#mustAttest = true
    this.#pause.wake()
  }

  banned(): void {
    if (this.#isBanned) return
    this.#isBanned = true
    this.#pause.wake()
  }

  renewNow(): void {
    const { clock, random, svid } = this.#options
    if (this.#isAsking) this.#isOvertaken = true
    const now = clock.now()
    if (this.#renewAt <= now) return
    const leftMs = (svid.current?.notAfter ?? now) - now
    const spread = Math.min(SPREAD_MS, Math.max(leftMs, 0) * SPREAD_SHARE) * random.fraction()
    // A server that goes on signing with what it has tainted is not asked without a pause.
    const at = Math.max(now, this.#obtainedAt + LEAST_LIFE_MS) + spread
    this.#renewAt = Math.min(this.#renewAt, at)
    this.#pause.wake()
  }

  close(): void {
    this.#closed = true
    this.#pause.close()
  }

  async run(): Promise<void> {
    while (!this.#closed) {
      const waitMs = this.#dueInMs()
      if (waitMs > 0) await this.#pause.wait(Math.min(waitMs, LOOK_AGAIN_MS))
      else await this.#attempt()
    }
  }

  #dueInMs(): number {
    const { svid, clock } = this.#options
    if (svid.current === undefined || this.#isBanned) return 0
    // A server that renews it, while another does not take it, is not asked without a pause.
    if (this.#mustAttest) return this.#obtained + LEAST_LIFE_MS - clock.monotonic()
    return Math.min(this.#renewAt, svid.current.notAfter) - clock.now()
  }

  async #attempt(): Promise<void> {
    const { svid, onAttempt } = this.#options
    try {
      const before = svid.current
      this.#isAsking = true
      this.#isOvertaken = false
      const { next, attested } = await this.#obtain()
      if (this.#closed) return
      this.#isAsking = false
      this.#failures = 0
      this.#mustAttest = false
      this.#isBanned = false
      this.#obtainedAt = this.#options.clock.now()
      this.#obtained = this.#options.clock.monotonic()
      this.#draw(next, this.#options.clock.now())
      svid.set(next)
      if (this.#isOvertaken) this.renewNow()
      this.fault.set(undefined)
      onAttempt({ attested: attested || before === undefined, svid: next })
    } catch (thrown) {
      if (this.#closed) return
      this.#isAsking = false
      const retryMs = this.#failed(thrown)
      onAttempt({ fault: this.fault.current ?? '', retryMs })
      await this.#pause.wait(retryMs)
    }
  }

  #draw({ notAfter }: OwnSvid, issuedAt: number): void {
    const life = { issuedAt, notAfter }
    this.#renewAt = renewalInstant(life, this.#options.random.fraction())
  }

  async #obtain(): Promise<{ readonly next: OwnSvid; readonly attested: boolean }> {
    const { svid, clock, recall } = this.#options
    const own = svid.current ?? recall()
    if (own !== svid.current && own !== undefined) return { next: own, attested: false }
    const isValid = own !== undefined && clock.now() < own.notAfter
    if (isValid && !own.reattestable) {
      // Also where it is said to count no more: one of several servers may not have heard of it yet.
      try {
        return { next: await this.#renew(own), attested: false }
      } catch (thrown) {
        // It has to be attested anew, where what proves the node is good for that.
        if (denialOf(thrown) !== 'attest') throw thrown
        this.#mustAttest = true
      }
    }
    return { next: await this.#attest(), attested: true }
  }

  async #renew({ reattestable }: OwnSvid): Promise<OwnSvid> {
    const { connections, keyType } = this.#options
    const key = await generateKey(keyType)
    const params = { csr: await writeCsr(key) }
    const client = connections.own()
    const answer = await client.call(Agent.method.renewAgent, { params }, { deadlineMs: CALL_MS })
    const chain = answer.svid?.certChain ?? []
    return this.#checked({ chain, pkcs8: key.pkcs8, reattestable })
  }

  async #attest(): Promise<OwnSvid> {
    const { connections, keyType, proof, trust } = this.#options
    await this.#options.bootstrap()
    const key = await generateKey(keyType)
    const client = connections.passing('server')
    try {
      // The operator's file may be older than what signs by now.
      trust.replace(await authoritiesOf(client))
      const { chain, reattestable } = await attest(client, proof, key)
      return this.#checked({ chain, pkcs8: key.pkcs8, reattestable })
    } finally {
      client.close()
    }
  }

  #checked(answer: Parameters<typeof checkOwnSvid>[0]): OwnSvid {
    const { trustDomain, trust, clock } = this.#options
    const authorities = trust.state.current?.authorities ?? []
    return checkOwnSvid(answer, { trustDomain, authorities, now: clock.now() })
  }

  /** @returns the pause before the next attempt, ms */
  #failed(thrown: unknown): number {
    const { svid, clock, random } = this.#options
    const denial = denialOf(thrown)
    this.#isBanned = denial === 'banned'
    const answered = thrown instanceof CallFault && thrown.answered
    // How long it was away is no reason to wait for long once it says no: an operator may be at it.
    if (answered !== this.#wasAnswered) this.#failures = 0
    this.#wasAnswered = answered
    this.fault.set(this.#words(thrown, answered))
    const limits = this.#isBanned ? BANNED : answered ? REFUSED : UNREACHABLE
    const lifeLeftMs =
      svid.current === undefined || this.#isBanned ? undefined : svid.current.notAfter - clock.now()
    const bound = lifeLeftMs !== undefined && lifeLeftMs > 0 ? { lifeLeftMs } : {}
    const delay = retryDelay(this.#failures++, { ...limits, ...bound }, random.fraction())
    return Math.max(delay, limits.baseMs / 2)
  }

  #words(thrown: unknown, answered: boolean): string {
    const { svid, clock, proof } = this.#options
    const why = wordsOf(thrown)
    if (this.#isBanned)
      return `the server has banned this agent, which serves what it has and gets nothing new: ${why}`
    const own = svid.current
    const what =
      own === undefined
        ? 'the agent is not attested'
        : this.#mustAttest || clock.now() >= own.notAfter
          ? 'the agent has to be attested anew'
          : 'the SVID of the agent is not renewed'
    const isRefused = answered && what !== 'the SVID of the agent is not renewed'
    return isRefused ? `${what}: ${why}; ${proof.advice}` : `${what}: ${why}`
  }
}
