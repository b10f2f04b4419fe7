/** The agent's client of a server, composed: trust → own SVID → what may be served → what is signed. */
import { fetchText } from '../../../os/http/fetch-text.ts'
import { pathToAnchor } from '../../../authority/chain.ts'
import { SpindleError, messageOf } from '../../../runtime/errors.ts'
import { createFeed } from '../../../runtime/feed.ts'
import type { MutableFeed } from '../../../runtime/feed.ts'
import type { Seldom } from '../../../telemetry/seldom.ts'
import { createSeldom } from '../../../telemetry/seldom.ts'
import { openProof } from './attest/open-proof.ts'
import { bootstrap } from './bootstrap.ts'
import type { Connections } from './connections.ts'
import { createConnections } from './connections.ts'
import type { Denial } from './denial.ts'
import { denialOf } from './denial.ts'
import type { LinkMemory, LinkState, ServerLink, SignedJwt, SignedX509 } from './link.ts'
import type { MemoryKeeper } from './memory.ts'
import { createMemoryKeeper } from './memory.ts'
import { keepOwnSvid } from './own/keep.ts'
import type { Bundle } from '../../../spiffe/bundle.ts'
import type { AttemptOutcome, OwnSvidKeeper } from './own/keep.ts'
import type { OwnSvid } from './own/svid.ts'
import { rememberedSvid } from './own/svid.ts'
import type { LinkOptions } from './settings.ts'
import type { JwtAsked } from './sign/jwt.ts'
import type { Signing } from './sign/signing.ts'
import { createSigning, ownBundle } from './sign/signing.ts'
import type { X509Asked } from './sign/x509.ts'
import { skippedReport } from './skipped.ts'
import { followServer } from './sync/follow.ts'
import type { Follower } from './sync/follow.ts'
import type { Trust } from './trust.ts'
import { createTrust } from './trust.ts'

/** Opens at once; connecting and attesting goes on in the background, and goes on whatever happens. */
export async function openServerLink(options: LinkOptions): Promise<ServerLink> {
  const link = new Link(options)
  return {
    served: link.follower.served,
    state: link.state,
    signX509: (request) => link.signX509(request),
    signJwt: (request) => link.signJwt(request),
    holds: (read) => link.follower.holds(read),
    close: () => link.close(),
  }
}

/** While the agent is on its way to its first SVID, and no fault is known. */
const PATIENCE_MS = 30_000

class Link {
  readonly follower: Follower
  readonly state: MutableFeed<LinkState>
  readonly #options: LinkOptions
  readonly #seldom: Seldom
  readonly #trust: Trust
  readonly #svid: MutableFeed<OwnSvid | undefined>
  readonly #connections: Connections
  readonly #keeper: OwnSvidKeeper
  readonly #signing: Signing
  readonly #memory: MemoryKeeper
  /** Whether the own SVID leads to it is known. */
  #looked: Bundle | undefined
  #closed = false

  constructor(options: LinkOptions) {
    const { config, trustDomain, clock, random, memory, log } = options
    this.#options = options
    this.#seldom = createSeldom(log, clock)
    this.#trust = createTrust(memory?.trust)
    const recall = (): OwnSvid | undefined => rememberedSvid(memory, trustDomain, clock.now())
    this.#svid = createFeed(recall())
    const trust = this.#trust
    this.#connections = createConnections({
      address: config.address,
      trustDomain,
      trust,
      svid: () => this.#validSvid(),
      holdsStream: () => this.follower.state.current.protocol !== 'poll',
      clock,
    })
    const connections = this.#connections
    this.follower = followServer({
      trustDomain,
      clock,
      random,
      version: options.version,
      client: () => connections.own(),
      memory,
      onDenied: (denial) => this.#denied(denial),
      onSkipped: skippedReport(log),
    })
    this.#keeper = keepOwnSvid({
      trustDomain,
      keyType: options.keyType,
      clock,
      random,
      proof: openProof(config.attest, random),
      trust,
      connections,
      svid: this.#svid,
      recall,
      bootstrap: () =>
        bootstrap({
          config: config.trust,
          trustDomain,
          trust,
          connections,
          settled: memory !== undefined || this.#svid.current !== undefined,
          fetchText: (url) => fetchText(url, { clock }),
        }),
      onAttempt: (outcome) => this.#tell(outcome),
    })
    this.#signing = createSigning({
      client: () => connections.own(),
      served: () => this.follower.served.current,
      trustDomain,
      clock,
    })
    this.#memory = createMemoryKeeper({
      memory: () => this.#toRemember(),
      remember: options.remember,
      log,
    })
    this.state = createFeed(this.#stateNow())
    this.#follow()
  }

  signX509(asked: X509Asked): Promise<SignedX509> {
    return this.#ask(() => this.#signing.x509(asked))
  }

  signJwt(asked: JwtAsked): Promise<SignedJwt> {
    return this.#ask(() => this.#signing.jwt(asked))
  }

  async close(): Promise<void> {
    this.#closed = true
    const why = new SpindleError('authority_unavailable', 'the agent is shutting down')
    this.#keeper.close()
    this.follower.close()
    this.#signing.close(why)
    this.#connections.close()
    await this.#memory.close()
  }

  #follow(): void {
    // First of all that listen: who serves by a bundle may ask the server at once.
    this.follower.served.subscribe(() => this.#servedChanged())
    this.#svid.subscribe(() => {
      this.#looked = undefined
      this.#connections.renew()
      this.follower.connect()
    })
    this.#trust.state.subscribe((trust) => {
      const shown = this.#connections.shownAuthority
      // Who was believed by an authority that is revoked is not believed for as long as a stream may last.
      if (shown !== undefined && trust?.authorities.some((der) => equals(der, shown)) === false)
        this.follower.connect()
    })
    for (const feed of [this.follower.served, this.#svid, this.#trust.state])
      (feed as MutableFeed<unknown>).subscribe(() => this.#memory.changed())
    for (const feed of [this.follower.state, this.#keeper.fault, this.#svid, this.#trust.state])
      (feed as MutableFeed<unknown>).subscribe(() => this.#show())
  }

  #servedChanged(): void {
    const { bundle, taintedX509 } = ownBundle(
      this.follower.served.current,
      this.#options.trustDomain,
    )
    this.#trust.replace(bundle.x509Authorities)
    if (this.#looked === bundle || this.#svid.current === undefined) return
    this.#looked = bundle
    const authorities = bundle.x509Authorities.map((der) => Buffer.from(der))
    const path = pathToAnchor(this.#svid.current.chain, authorities)
    if (path === undefined) this.#keeper.denied()
    else if (taintedX509.some((der) => path.anchor.equals(der))) this.#keeper.renewNow()
  }

  #denied(denial: Denial): void {
    if (denial === 'banned') this.#keeper.banned()
    if (denial === 'attest') this.#keeper.denied()
  }

  #tell(outcome: AttemptOutcome): void {
    const { log } = this.#options
    if ('fault' in outcome) {
      const { fault, retryMs } = outcome
      const fields = { error: fault, retryMs: Math.round(retryMs) }
      return this.#seldom.warn('own', fields, 'no SVID for the agent')
    }
    const { id, notAfter } = outcome.svid
    const fields = { spiffeId: id, notAfter: new Date(notAfter).toISOString() }
    const message = outcome.attested ? 'the agent is attested' : 'the SVID of the agent is renewed'
    log.info(fields, message)
  }

  #validSvid(): OwnSvid | undefined {
    const own = this.#svid.current
    return own !== undefined && this.#options.clock.now() < own.notAfter ? own : undefined
  }

  #toRemember(): LinkMemory | undefined {
    const trust = this.#trust.state.current
    const own = this.#svid.current
    // A bundle by which nothing came yet may be the wrong one: it is read anew.
    if (trust === undefined || (own === undefined && this.#options.memory === undefined))
      return undefined
    const { served, resumeToken } = this.follower
    const svid = own
      ? { chain: own.chain, pkcs8: own.pkcs8, reattestable: own.reattestable }
      : this.#options.memory?.svid
    return { svid, served: served.current, resumeToken, trust }
  }

  #stateNow(): LinkState {
    const { fault, protocol, heardAt } = this.follower.state.current
    const own = this.#svid.current
    const waiting = protocol === undefined ? 'the agent is connecting to its server' : undefined
    return {
      fault: this.#keeper.fault.current ?? fault ?? waiting,
      protocol,
      bootstrap: this.#trust.state.current?.pinned === undefined ? 'verified' : 'unverified',
      agentId: own?.id,
      svidNotAfter: own?.notAfter,
      heardAt,
    }
  }

  #show(): void {
    if (this.#closed) return
    const [before, now] = [this.state.current, this.#stateNow()]
    this.state.set(now)
    const { log, config } = this.#options
    const server = `${config.address.host}:${config.address.port}`
    // Each attempt at an SVID is said by itself.
    const isSaid = this.#keeper.fault.current !== undefined
    if (before.fault !== undefined && now.fault === undefined)
      log.info({ server, protocol: now.protocol }, 'the agent is up to date with its server')
    else if (before.fault === undefined && now.fault !== undefined && !isSaid)
      log.warn({ server, error: now.fault }, 'the agent has lost its server')
  }

  /** What nobody signed throws `authority_unavailable`; what a refusal says of the agent is passed on. */
  async #ask<T>(run: () => Promise<T>): Promise<T> {
    await this.#attested()
    try {
      return await run()
    } catch (thrown) {
      this.#denied(denialOf(thrown))
      if (thrown instanceof SpindleError && SIGNING_CODES.includes(thrown.code)) throw thrown
      throw new SpindleError('authority_unavailable', messageOf(thrown), { cause: thrown })
    }
  }

  /** @throws SpindleError `authority_unavailable` as soon as it is known that it will take longer */
  async #attested(): Promise<void> {
    const why = (): string | undefined =>
      this.#closed ? 'the agent is shutting down' : this.#keeper.fault.current
    if (this.#validSvid() !== undefined && !this.#closed) return
    if (why() === undefined) await this.#settled()
    if (this.#validSvid() !== undefined && !this.#closed) return
    throw new SpindleError('authority_unavailable', why() ?? 'the agent is not attested yet')
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        for (const unsubscribe of unsubscribes) unsubscribe()
        resolve()
      }
      const timer = this.#options.clock.after(PATIENCE_MS, end)
      const unsubscribes = [this.#svid.subscribe(end), this.#keeper.fault.subscribe(end)]
    })
  }
}

const equals = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
const SIGNING_CODES: readonly string[] = ['authority_unavailable', 'no_identity', 'request_invalid']
