/**
 * Callers and the entries they match. Attestation is made once a connection and shared by its streams; it is made again
 * when the process runs another program, on a period, when an entry asks for a kind of selector not looked up yet, and
 * before a new identity is first given. What an attestor cannot say is "not yet", never "no".
 */
import type { Entry } from '../../registration/entry.ts'
import type { Match, Registry } from '../../registration/match.ts'
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
/** After this an attestation counts as failed for as long as it takes: an executable on a file system that hangs. */
const PATIENCE_MS = 30_000

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
      caller.attest()
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
  #attesting = false
  #again = false
  #failures = 0
  #timer: Timer | undefined
  #closed = false
  /** Looked at in this turn of the event loop, and found to be who was attested. */
  #checked = false

  constructor(connection: Connection, options: CallersOptions) {
    this.connection = connection
    this.#options = options
  }

  check(): boolean {
    if (this.#closed) return false
    // An Envoy has a stream for each secret: what is pushed to them in one turn is one look at the process.
    if (this.#checked && !this.connection.closed) return true
    const { attestation } = this.state.current
    // What is unchanged is alive.
    const unchanged =
      attestation !== undefined && this.#options.attestor.unchanged(this.connection, attestation)
    if (!unchanged && !this.connection.alive()) {
      this.connection.destroy('the calling process has ended')
      return false
    }
    if (attestation !== undefined && !unchanged) {
      this.#undecided('the process runs another program than the one attested')
      this.attest()
    } else this.#isChecked()
    return !this.connection.closed
  }

  #isChecked(): void {
    if (this.#checked) return
    this.#checked = true
    setImmediate(() => {
      this.#checked = false
    })
  }

  /** One attestation at a time; asking during one makes another follow it. */
  attest(): void {
    if (this.#attesting) this.#again = true
    else void this.#attestUntilSettled()
  }

  /** What the entries take away is gone at once; what they give, and what they ask for anew, waits for an attestation. */
  registryChanged(): void {
    const registry = this.#options.registry.current
    const { attestation, match } = this.state.current
    if (registry === undefined || attestation === undefined) return
    const unknownKinds = new Set([...attestation.unknownKinds, ...this.#notLookedUp(registry)])
    const next = registry.match({ selectors: attestation.selectors, unknownKinds })
    const had = new Set(match.entries.map((entry) => entry.id))
    const kept = next.entries.filter((entry) => had.has(entry.id))
    if (kept.length === next.possible.length) return this.#set({ attestation, match: next })
    const open = next.possible.filter((entry) => !kept.includes(entry))
    this.#set({
      attestation,
      match: { entries: kept, undecided: open, possible: next.possible },
      undecided: 'the entries have changed, and the caller is attested again',
    })
    this.attest()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    this.#undecided('the connection is closed')
  }

  async #attestUntilSettled(): Promise<void> {
    this.#attesting = true
    do {
      this.#again = false
      await this.#attestOnce()
    } while (this.#again && !this.#closed)
    this.#attesting = false
  }

  async #attestOnce(): Promise<void> {
    const { attestor, registry, clock, onAttested } = this.#options
    const wanted = registry.current?.kinds ?? new Set<SelectorKind>()
    const start = clock.monotonic()
    const overdue = clock.after(PATIENCE_MS, () => {
      if (!this.#closed)
        this.#undecided(`its attestation takes longer than ${PATIENCE_MS / 1000} s`)
    })
    let attestation: Attestation
    try {
      attestation = await attestor.attest(this.connection, wanted)
    } catch (thrown) {
      return this.#failed(thrown)
    } finally {
      overdue.cancel()
    }
    if (this.#closed) return
    this.#lookedUp = wanted
    onAttested(this, clock.monotonic() - start)
    // Entries that came meanwhile may ask for more than was looked up.
    if (registry.current !== undefined && this.#notLookedUp(registry.current).length > 0)
      this.#again = true
    else this.#apply(attestation, registry.current)
  }

  #notLookedUp(registry: Registry): readonly SelectorKind[] {
    return [...registry.kinds].filter((kind) => !this.#lookedUp.has(kind))
  }

  #apply(attestation: Attestation, registry: Registry | undefined): void {
    const match = registry?.match(attestation) ?? NOTHING_MATCHED
    const waiting = match.undecided.length > 0
    this.#failures = waiting ? this.#failures + 1 : 0
    const delayMs = waiting ? this.#retryMs() : this.#periodMs()
    this.#schedule(delayMs)
    this.#set({
      attestation,
      match,
      undecided:
        registry === undefined
          ? 'the agent has no entries yet (spindle status says why)'
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
    this.#set({ ...nothing, undecided: why, ...retry })
  }

  /** A match that says the same stays the same object, so that whoever follows sees that nothing changed for it. */
  #set({ match, undecided, ...rest }: Omit<CallerState, 'undecided'> & Partial<CallerState>): void {
    const before = this.state.current.match
    this.state.set({ ...rest, match: isSame(before, match) ? before : match, undecided })
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
      if (this.check()) this.attest()
    })
  }
}

function isSame(one: Match, other: Match): boolean {
  const ids = (entries: readonly Entry[]): string => entries.map((entry) => entry.id).join()
  return ids(one.entries) === ids(other.entries) && ids(one.possible) === ids(other.possible)
}
