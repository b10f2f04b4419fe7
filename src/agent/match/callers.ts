/**
 * Callers and the entries they match. Attestation is made once a connection and shared by its streams; it is made again
 * when the process runs another program, on a period, when an entry asks for a kind of selector not looked up yet, and
 * before a new identity is first given. What an attestor cannot say is "not yet", never "no".
 */
import type { Registry } from '../../registration/match.ts'
import type { SelectorKind } from '../../registration/selector.ts'
import { retryDelay } from '../../runtime/backoff.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { codeOf, messageOf } from '../../runtime/errors.ts'
import type { ErrorCode } from '../../runtime/errors.ts'
import { createFeed } from '../../runtime/feed.ts'
import type { Feed, MutableFeed } from '../../runtime/feed.ts'
import type { Random } from '../../runtime/random.ts'
import { createSlices } from '../../runtime/slices.ts'
import type { Connection } from '../accept/connection.ts'
import type { Attestation, Attestor } from '../attest/attestor.ts'
import type { Caller, CallerState } from './caller.ts'
import { NOTHING_MATCHED } from './caller.ts'

export interface CallersOptions {
  readonly attestor: Attestor
  /** undefined until the entries have been loaded for the first time. */
  readonly registry: Feed<Registry | undefined>
  readonly clock: Clock
  readonly random: Random
  /** ms between attestations of a caller that stays, ± 10 %. */
  readonly periodMs: number
  readonly onAttested: (caller: Caller, elapsedMs: number) => void
  readonly onRefused: (connection: Connection, code: ErrorCode, message: string) => void
}

export interface Callers {
  readonly callers: ReadonlySet<Caller>
  /** Takes a new connection in and begins to attest it. */
  admit(connection: Connection): Caller
  close(): void
}

const RETRY = { baseMs: 200, maxMs: 10_000 }
const CALLERS_A_TURN = 200

export function createCallers(options: CallersOptions): Callers {
  const callers = new Set<AdmittedCaller>()
  const rematch = createSlices<AdmittedCaller>(CALLERS_A_TURN, (caller) => caller.registryChanged())
  const unsubscribe = options.registry.subscribe(() => {
    for (const caller of callers) rematch.add(caller)
  })
  return {
    callers,
    admit(connection) {
      const caller = new AdmittedCaller(connection, options)
      callers.add(caller)
      connection.onClose(() => {
        callers.delete(caller)
        rematch.drop(caller)
        caller.close()
      })
      void caller.attest()
      return caller
    },
    close() {
      unsubscribe()
      for (const caller of callers) caller.close()
    },
  }
}

class AdmittedCaller implements Caller {
  readonly connection: Connection
  readonly state: MutableFeed<CallerState> = createFeed<CallerState>({
    attestation: undefined,
    match: NOTHING_MATCHED,
    undecided: 'the caller is being attested',
  })
  readonly #options: CallersOptions
  #lookedUp: ReadonlySet<SelectorKind> = new Set()
  #running: Promise<void> | undefined
  #again = false
  #failures = 0
  #timer: Timer | undefined
  #closed = false

  constructor(connection: Connection, options: CallersOptions) {
    this.connection = connection
    this.#options = options
  }

  check(): boolean {
    if (this.#closed) return false
    if (!this.connection.alive()) {
      this.connection.destroy('the calling process has ended')
      return false
    }
    const { attestation } = this.state.current
    if (
      attestation !== undefined &&
      !this.#options.attestor.unchanged(this.connection, attestation)
    ) {
      this.#undecided('the process runs another program than the one attested')
      void this.attest()
    }
    return !this.connection.closed
  }

  decided(deadlineMs: number): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    if (this.state.current.undecided === undefined) return Promise.resolve(true)
    return new Promise((resolve) => {
      const finish = (result: boolean): void => {
        unsubscribe()
        timer.cancel()
        resolve(result)
      }
      const unsubscribe = this.state.subscribe((state) => {
        if (state.undecided === undefined) finish(true)
        else if (this.#closed) finish(false)
      })
      const timer = this.#options.clock.after(deadlineMs, () => finish(false))
    })
  }

  /** One attestation at a time; asking during one makes another follow it. */
  attest(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true
      return this.#running
    }
    this.#running = this.#attestUntilSettled().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  registryChanged(): void {
    const registry = this.#options.registry.current
    const { attestation, match } = this.state.current
    if (registry === undefined || attestation === undefined) return
    const next = registry.match(attestation)
    const had = new Set(match.entries.map((entry) => entry.id))
    const gains = next.entries.some((entry) => !had.has(entry.id))
    const asksMore = [...registry.kinds].some((kind) => !this.#lookedUp.has(kind))
    if (gains || asksMore) void this.attest()
    else this.#apply(attestation, registry)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    this.#undecided('the connection is closed')
  }

  async #attestUntilSettled(): Promise<void> {
    do {
      this.#again = false
      const registry = this.#options.registry.current
      const wanted = registry?.kinds ?? new Set<SelectorKind>()
      const start = this.#options.clock.monotonic()
      let attestation: Attestation
      try {
        attestation = await this.#options.attestor.attest(this.connection, wanted)
      } catch (thrown) {
        this.#failed(thrown)
        return
      }
      if (this.#closed) return
      this.#lookedUp = wanted
      this.#options.onAttested(this, this.#options.clock.monotonic() - start)
      const latest = this.#options.registry.current
      if (latest !== undefined && [...latest.kinds].some((kind) => !wanted.has(kind)))
        this.#again = true
      else this.#apply(attestation, latest)
    } while (this.#again && !this.#closed)
  }

  #apply(attestation: Attestation, registry: Registry | undefined): void {
    const match = registry?.match(attestation) ?? NOTHING_MATCHED
    const waiting = match.undecided.length > 0
    this.#failures = waiting ? this.#failures + 1 : 0
    const delayMs = waiting ? this.#retryMs() : this.#periodMs()
    this.#schedule(delayMs)
    this.state.set({
      attestation,
      match,
      undecided:
        registry === undefined
          ? 'the entries are not loaded yet'
          : waiting
            ? `selectors could not be looked up: ${[...attestation.unknownKinds].join(', ')}`
            : undefined,
      ...(waiting && { retryAt: this.#options.clock.now() + delayMs }),
    })
  }

  #failed(thrown: unknown): void {
    if (this.#closed) return
    const code = codeOf(thrown)
    this.#options.onRefused(this.connection, code, messageOf(thrown))
    if (code === 'peer_gone' || code === 'peer_refused') {
      this.connection.destroy(messageOf(thrown))
      return
    }
    this.#failures += 1
    const delayMs = this.#retryMs()
    const retryAt = this.#options.clock.now() + delayMs
    this.#undecided(`attestation failed: ${messageOf(thrown)}`, { retryAt })
    this.#schedule(delayMs)
  }

  #undecided(why: string, retry: Pick<CallerState, 'retryAt'> = {}): void {
    const nothing = { attestation: undefined, match: NOTHING_MATCHED }
    this.state.set({ ...nothing, undecided: why, ...retry })
  }

  #retryMs(): number {
    return retryDelay(this.#failures - 1, RETRY, this.#options.random.fraction())
  }

  #periodMs(): number {
    return this.#options.periodMs * (0.9 + 0.2 * this.#options.random.fraction())
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(delayMs, () => {
      if (this.check()) void this.attest()
    })
  }
}
