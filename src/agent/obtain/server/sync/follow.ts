/** What the agent may serve, kept up to date: by a stream that is opened again whenever it ends, or by asking where a server has none. */
import type { SecureClient } from '../../../../wire/secure-client.ts'
import { retryDelay } from '../../../../runtime/backoff.ts'
import type { Clock } from '../../../../runtime/clock.ts'
import { SpindleError } from '../../../../runtime/errors.ts'
import type { Feed } from '../../../../runtime/feed.ts'
import { createFeed } from '../../../../runtime/feed.ts'
import type { Random } from '../../../../runtime/random.ts'
import type { TrustDomain } from '../../../../spiffe/spiffe-id.ts'
import type { Denial } from '../denial.ts'
import { denialOf, isUnimplemented, wordsOf } from '../denial.ts'
import type { Holds, Served } from '../link.ts'
import { createPause } from '../pause.ts'
import { poll, postStatus } from './poll.ts'
import { apply, heldOf, servedOf, wholeRound } from './round.ts'
import type { Applied, Held } from './round.ts'
import { openSync } from './stream.ts'

export interface FollowOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly version: string
  /** With the agent's SVID. @throws SpindleError where there is none that is valid */
  readonly client: () => SecureClient
  readonly memory:
    { readonly served: Served | undefined; readonly resumeToken: Uint8Array } | undefined
  /** Of entries and bundles that were skipped; empty: none is. */
  readonly onSkipped: (faults: readonly string[]) => void
  readonly onDenied: (denial: Denial) => void
}

export interface Follower {
  readonly served: Feed<Served | undefined>
  readonly state: Feed<FollowState>
  readonly resumeToken: Uint8Array
  /** See `ServerLink`. */
  holds(read: () => Holds): void
  /** There is another connection, or there may be one at last: it is tried now. */
  connect(): void
  close(): void
}

export interface FollowState {
  readonly fault: string | undefined
  readonly protocol: 'sync' | 'poll' | undefined
  /** ms since the epoch */
  readonly heardAt: number | undefined
}

/** As SPIRE's agents. */
const POLL_MS = 5_000
const RETRY = { baseMs: 250, maxMs: 10_000 }
const DENIED = { baseMs: 2_000, maxMs: 60_000 }
const BANNED = { baseMs: 300_000, maxMs: 600_000 }
const TICK_MS = 30_000
const NO_TOKEN = new Uint8Array()

/** A way changes come in. */
interface Source {
  readonly protocol: 'sync' | 'poll'
  holds(token: Uint8Array, holds: Holds): void
  cancel(): void
}

export function followServer(options: FollowOptions): Follower {
  const following = new Following(options)
  void following.run()
  return {
    served: following.served,
    state: following.state,
    get resumeToken() {
      return following.token
    },
    holds: (read) => following.holds(read),
    connect: () => following.connect(),
    close: () => following.close(),
  }
}

class Following {
  readonly served
  readonly state
  token: Uint8Array
  readonly #options: FollowOptions
  readonly #pause
  #held: Held
  #holds = (): Holds => ({ x509: [], jwt: [] })
  /** What changes come by. */
  #current: Source | undefined
  /** What shall be `#current` once it has said something. */
  #next: Source | undefined
  #isWanted = true
  #notBefore = 0
  #failures = 0
  #closed = false

  constructor(options: FollowOptions) {
    const { memory, clock, trustDomain } = options
    this.#options = options
    this.#pause = createPause(clock)
    this.#held = heldOf(memory?.served)
    this.token = memory?.served === undefined ? NO_TOKEN : memory.resumeToken
    this.served = createFeed(servedOf(this.#held, trustDomain, memory?.served))
    this.state = createFeed<FollowState>({
      fault: undefined,
      protocol: undefined,
      heardAt: undefined,
    })
  }

  async run(): Promise<void> {
    const { clock } = this.#options
    // What the client is made of may not be there before whoever follows has this.
    await Promise.resolve()
    while (!this.#closed) {
      const waitMs =
        this.#isWanted && this.#next === undefined ? this.#notBefore - clock.monotonic() : TICK_MS
      if (waitMs > 0) {
        await this.#pause.wait(Math.min(waitMs, TICK_MS))
        if (this.#current !== undefined) this.#heard()
        continue
      }
      this.#isWanted = false
      this.#open()
    }
  }

  holds(read: () => Holds): void {
    this.#holds = read
    this.#current?.holds(this.token, read())
  }

  connect(): void {
    this.#isWanted = true
    this.#notBefore = 0
    this.#failures = 0
    this.#pause.wake()
  }

  close(): void {
    this.#closed = true
    this.#current?.cancel()
    this.#next?.cancel()
    this.#pause.close()
  }

  #open(): void {
    let client: SecureClient
    try {
      client = this.#options.client()
    } catch {
      // Whoever gets an SVID calls `connect`, and says meanwhile why there is none.
      return
    }
    const { clock, version } = this.#options
    const call = openSync(client, { resumeToken: this.token, agentVersion: version }, clock)
    const source: Source = {
      protocol: 'sync',
      holds: (token, holds) => call.applied(token, holds),
      cancel: () => call.cancel(),
    }
    this.#next = source
    const follow = async (): Promise<void> => {
      for await (const round of call.rounds) {
        if (this.#closed) return
        const applied = apply(this.#held, wholeRound(round.parts), this.#options.trustDomain)
        const { entries, bundles } = applied.held
        if (entries.size !== round.entryCount || bundles.size !== round.bundleCount) {
          this.token = NO_TOKEN
          throw new SpindleError(
            'authority_unavailable',
            'what the server counts is not what the agent has',
          )
        }
        this.#take(source, applied, round.resumeToken)
        call.applied(round.resumeToken, this.#holds())
      }
      throw new SpindleError('unreachable', 'the server ended the stream')
    }
    follow().catch((thrown: unknown) => this.#ended(source, thrown))
  }

  #startPoll(): void {
    let isOver = false
    const pause = createPause(this.#options.clock)
    const source: Source = {
      protocol: 'poll',
      holds: () => undefined,
      cancel() {
        isOver = true
        pause.close()
      },
    }
    this.#next = source
    let told: bigint | undefined
    const follow = async (): Promise<void> => {
      for (;;) {
        const client = this.#options.client()
        const polled = await poll(client, this.#held, this.#options.trustDomain)
        if (this.#closed || isOver) return
        this.#take(source, polled, NO_TOKEN)
        if (told !== polled.sequence) this.#postStatus(client, polled.sequence)
        told = polled.sequence
        await pause.wait(POLL_MS)
        if (this.#closed || isOver) return
      }
    }
    follow().catch((thrown: unknown) => this.#ended(source, thrown))
  }

  #postStatus(client: SecureClient, currentBundleSerial: bigint): void {
    const said = { currentBundleSerial, agentVersion: this.#options.version }
    // Nothing depends on it: a server that is away is told of by what does.
    postStatus(client, said).catch(() => undefined)
  }

  /** @throws SpindleError where the agent could not serve by it */
  #take(source: Source, { held, faults }: Applied, token: Uint8Array): void {
    const { trustDomain, onSkipped } = this.#options
    const served = servedOf(held, trustDomain, this.served.current)
    if (served === undefined) {
      this.token = NO_TOKEN
      throw new SpindleError(
        'authority_unavailable',
        'the server has no bundle of its trust domain',
      )
    }
    this.#held = held
    this.token = token
    this.#failures = 0
    if (this.#next === source) {
      this.#next = undefined
      this.#current?.cancel()
      // Another connection may have been asked for meanwhile.
      this.#pause.wake()
    }
    this.#current = source
    this.#heard()
    this.served.set(served)
    onSkipped(faults)
  }

  #heard(): void {
    const { protocol } = this.#current ?? {}
    this.state.set({ fault: undefined, protocol, heardAt: this.#options.clock.now() })
  }

  #ended(source: Source, thrown: unknown): void {
    if (this.#closed) return
    const isNext = this.#next === source
    // One that another has taken the place of.
    if (!isNext && this.#current !== source) return
    if (isNext) this.#next = undefined
    else this.#current = undefined
    if (isNext && source.protocol === 'sync' && isUnimplemented(thrown)) {
      if (this.#current === undefined) this.#startPoll()
      return this.#pause.wake()
    }
    const denial = denialOf(thrown)
    const limits = denial === 'banned' ? BANNED : denial === undefined ? RETRY : DENIED
    const { clock, random, onDenied } = this.#options
    const delay = retryDelay(this.#failures++, limits, random.fraction())
    this.#isWanted = true
    this.#notBefore = clock.monotonic() + delay
    if (this.#current === undefined)
      this.state.set({ ...this.state.current, fault: wordsOf(thrown) })
    onDenied(denial)
    this.#pause.wake()
  }
}
