/**
 * What the stream models share: random histories of a client, an agent and a world that changes, run against a step
 * function. The models in `sotw.test.ts` and `delta.test.ts` say from the record alone, read from its beginning each
 * time, what may be sent next.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Resource, View } from '../../src/xds/resource.ts'
import type { Step, StreamContext, StreamEvent } from '../../src/xds/stream.ts'
import { FULL } from './full.ts'
import type { Answer, Asked, Moment, Snapshot } from './record.ts'

export const RUNS = FULL ? 10_000 : 1_000

const NAMES = ['a', 'b', 'c', 'd']
/** Content is not tied to a name, and comes back: a step must not confuse what is equal with what is the same. */
const CONTENTS = ['v0', 'v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7']
const TEXTS = ['KEY_VALUES_MISMATCH', 'Failed to load incomplete private key', 'no such phrase']

const name = fc.constantFrom(...NAMES)
const content = fc.constantFrom(...CONTENTS)
/** Some Envoys have begun a stream with the last nonce of the one before. */
const firstNonce = fc.constantFrom('', '', '', 'older')
const names = fc.array(fc.constantFrom(...NAMES, ...NAMES, '*', ''), { maxLength: 3 })

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('grant'), name, content }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('withdraw', 'suspend'), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restore'), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unrelated') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ask'), names, dropped: names }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('ack') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('nack'),
      text: fc.constantFrom(...TEXTS),
      isHeeded: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('stray'),
      nonce: fc.constantFrom('', 'invented', 'oldest'),
      isError: fc.boolean(),
      names,
      dropped: names,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deadline'), isCurrent: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reject-elsewhere'), content }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect'), names, firstNonce }) },
)
type Flat<T> = T extends unknown ? { [K in keyof T]: T[K] } : never
export type Action = Flat<typeof action extends fc.Arbitrary<infer T> ? T : never>

/** A first request, a world as it is then, and what happens after. */
export const histories = fc.record({
  granted: fc.dictionary(name, content),
  first: names,
  firstNonce,
  actions: fc.array(action as fc.Arbitrary<Action>, { maxLength: 60, size: 'max' }),
})
export type History = typeof histories extends fc.Arbitrary<infer T> ? T : never

/** How one variant of the protocol reads and writes. */
export interface Dialect<State, Request, Response> {
  initial(): State
  step(state: State, event: StreamEvent<Request>, context: StreamContext): Step<State, Response>
  /** A reconnecting client claims what it holds. */
  request(asked: Asked, holds: ReadonlyMap<string, string>, text: string): Request
  /** True where a request says everything that is wanted, so that an answer repeats the names. */
  readonly isWhole: boolean
  read(response: Response): {
    readonly nonce: string
    readonly resources: readonly Resource[]
    readonly removed: readonly string[]
  }
  /** The model: throws where what was sent last is not what must have been. */
  check(moments: readonly Moment[]): void
  /** The names the client wants in the end, of those that exist in `now`. */
  wanted(moments: readonly Moment[], now: Snapshot): Iterable<string>
}

/** How often each kind of thing happened over all histories: a model that sees nothing proves nothing. */
export type Tally = Map<string, number>

/** A caller's world, one client in it, and the stream between them. */
export class Run<State, Request, Response> {
  readonly #dialect: Dialect<State, Request, Response>
  readonly #tally: Tally
  readonly #versions = new Map<string, string | undefined>()
  /** What each name had last, for it to come back. */
  readonly #latest = new Map<string, string>()
  readonly #quarantined = new Set<string>()
  /** Quarantined by a note the adapter has not acted upon yet. */
  readonly #unheeded = new Set<string>()
  /** Rejected by the client, whether or not it was heard. */
  readonly rejectedByClient = new Set<string>()
  #state: State
  #moments: Moment[] = []
  #nonces = 0
  /** Client: responses received and not answered, oldest first; its list of names (SotW); what it works with. */
  #inbox: Answer[] = []
  #received: string[] = []
  #list: readonly string[] = []
  #holds = new Map<string, string>()

  constructor(dialect: Dialect<State, Request, Response>, tally: Tally) {
    this.#dialect = dialect
    this.#tally = tally
    this.#state = dialect.initial()
  }

  get moments(): readonly Moment[] {
    return this.#moments
  }

  get holds(): ReadonlyMap<string, string> {
    return this.#holds
  }

  get now(): Snapshot {
    return { versions: new Map(this.#versions), quarantined: new Set(this.#quarantined) }
  }

  play(history: History): void {
    for (const [key, value] of Object.entries(history.granted)) {
      this.#versions.set(key, value)
      this.#latest.set(key, value)
    }
    this.#ask({ names: history.first, dropped: [], nonce: history.firstNonce, isError: false })
    for (const next of history.actions) this.#act(next)
  }

  /** The world stops changing and the client accepts everything: how long until nothing more is sent. */
  settle(): void {
    for (const version of this.#unheeded) this.#quarantined.add(version)
    this.#event({ type: 'view' }, {})
    // At most each of the names (and one round of removals) can still be owed.
    for (let round = 0; this.#inbox.length > 0; round++) {
      assert.ok(round < 50, 'the stream comes to rest once everything is acknowledged')
      this.#answer('')
    }
  }

  #act(next: Action): void {
    this.#count(next.do)
    switch (next.do) {
      case 'grant':
        this.#versions.set(next.name, next.content)
        this.#latest.set(next.name, next.content)
        return this.#event({ type: 'view' }, {})
      case 'restore':
        this.#versions.set(next.name, this.#latest.get(next.name))
        return this.#event({ type: 'view' }, {})
      case 'withdraw':
        this.#versions.delete(next.name)
        return this.#event({ type: 'view' }, {})
      case 'suspend':
        this.#versions.set(next.name, undefined)
        return this.#event({ type: 'view' }, {})
      case 'unrelated':
        return this.#event({ type: 'view' }, {})
      case 'reject-elsewhere':
        this.#quarantined.add(next.content)
        return this.#event({ type: 'view' }, {})
      case 'ask':
        return this.#ask({ ...next, nonce: this.#received.at(-1) ?? '', isError: false })
      case 'ack':
        return this.#answer('')
      case 'nack':
        this.#answer(next.text)
        if (!next.isHeeded) return
        for (const version of this.#unheeded) this.#quarantined.add(version)
        this.#unheeded.clear()
        return this.#event({ type: 'view' }, {})
      case 'stray': {
        const nonce = next.nonce === 'oldest' ? (this.#received[0] ?? 'older') : next.nonce
        return this.#ask({ ...next, nonce })
      }
      case 'deadline': {
        const nonce = next.isCurrent ? this.#received.at(-1) : this.#received[0]
        if (nonce === undefined) return
        return this.#event({ type: 'ack-deadline', nonce }, { passed: nonce })
      }
      case 'reconnect':
        this.#state = this.#dialect.initial()
        this.#moments = []
        this.#inbox = []
        this.#received = []
        return this.#ask({ names: next.names, dropped: [], nonce: next.firstNonce, isError: false })
    }
  }

  /** The client answers the oldest response it has not answered. `text` is empty for an ACK. */
  #answer(text: string): void {
    const response = this.#inbox.shift()
    if (response === undefined) return
    for (const { name: key, version } of response.resources) {
      if (text === '') this.#holds.set(key, version)
      else this.rejectedByClient.add(version)
    }
    // What is gone is gone: there is nothing in a removal that a client could reject.
    for (const key of response.removed) this.#holds.delete(key)
    const list = this.#dialect.isWhole ? this.#list : []
    const asked = { names: list, dropped: [], nonce: response.nonce, isError: text !== '' }
    this.#send(asked, text)
  }

  #ask(asked: Asked): void {
    this.#list = asked.names
    this.#send(asked, asked.isError ? 'KEY_VALUES_MISMATCH' : '')
  }

  #send(asked: Asked, text: string): void {
    const request = this.#dialect.request(asked, this.#holds, text)
    this.#event({ type: 'request', request }, { asked })
  }

  #event(event: StreamEvent<Request>, said: Pick<Moment, 'asked' | 'passed'>): void {
    const step = this.#dialect.step(this.#state, event, {
      view: this.#view(),
      nonce: () => `n${++this.#nonces}`,
      limits: { namesPerStream: 10 },
    })
    assert.equal(step.end, undefined)
    assert.ok(step.send.length <= 1, 'one response at most')
    this.#state = step.state
    for (const note of step.notes) {
      this.#count(`note ${note.type}`)
      if (note.type === 'nack') for (const version of note.quarantine) this.#unheeded.add(version)
    }
    const [response] = step.send
    const sent = response === undefined ? undefined : this.#dialect.read(response)
    this.#moments.push({ ...said, now: this.now, sent })
    this.#dialect.check(this.#moments)
    if (sent === undefined) return
    this.#count(sent.removed.length > 0 ? 'removal sent' : 'response sent')
    this.#inbox.push(sent)
    this.#received.push(sent.nonce)
  }

  #view(): View {
    const { versions, quarantined } = this.now
    return {
      all: [...versions.keys()],
      quarantined: (version) => quarantined.has(version),
      resolve: (key) => {
        if (!versions.has(key)) return { state: 'absent', why: 'not granted' }
        const version = versions.get(key)
        if (version === undefined) return { state: 'pending', why: 'not attested yet' }
        const kind = key < 'c' ? 'svid' : 'bundle'
        return { state: 'present', resource: { name: key, version, kind, bytes: new Uint8Array() } }
      },
    }
  }

  #count(what: string): void {
    this.#tally.set(what, (this.#tally.get(what) ?? 0) + 1)
  }
}
