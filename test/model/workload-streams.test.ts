/**
 * Streams of the Workload API through random histories: entries, identities, bundles, attestation, time, and a client that
 * does not read. What they send is compared with a model that works it out anew, tenth of a second by tenth.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { Bundle } from '../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { StreamRpc } from '../../src/agent/serve/workload/stream.ts'
import { settle } from '../fakes/clock.ts'
import { entry } from '../unit/agent/obtain/setting.ts'
import { bundlesOf } from '../unit/agent/serve/setting.ts'
import { setUp, wholeBundle } from '../unit/agent/serve/workload/setting.ts'
import { FULL } from './full.ts'
import type { EntryPlan, World } from './workload-streams.ts'
import { Model, TICK_MS, wholeState } from './workload-streams.ts'

const OWN = 'example.org' as TrustDomain
const PARTNER = 'partner.test' as TrustDomain
const RPCS: readonly StreamRpc[] = ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles']
const RUNS = FULL ? 20_000 : 2_000

/** What an event changes; the rest stays. */
type Event =
  | { readonly kind: 'match'; readonly granted: number; readonly possible: number }
  | { readonly kind: 'attesting' }
  | { readonly kind: 'identity'; readonly at: number; readonly label: string | undefined }
  | { readonly kind: 'fault'; readonly at: number }
  | {
      readonly kind: 'bundle'
      readonly at: 'own' | 'partner'
      readonly labels: readonly string[] | undefined
    }
  | { readonly kind: 'reads'; readonly reads: boolean }
  | { readonly kind: 'time'; readonly ticks: number }
  | { readonly kind: 'reloaded' }

const members = (mask: number): number[] => [0, 1, 2].filter((index) => (mask >> index) % 2 === 1)

const label = fc.constantFrom('a', 'b', 'c')
const labels = fc.uniqueArray(fc.constantFrom('r1', 'r2', 'r3'), { maxLength: 2 })
const plans = fc.array(
  fc.record({
    hint: fc.constantFrom('', 'x', 'y'),
    isDefault: fc.boolean(),
    federates: fc.boolean(),
  }),
  { minLength: 3, maxLength: 3 },
)
const events: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    fc
      .tuple(fc.nat(7), fc.nat(7))
      .map(([granted, more]): Event => ({ kind: 'match', granted, possible: granted | more })),
    fc.nat(7).map((granted): Event => ({ kind: 'match', granted, possible: granted })),
    fc.constant<Event>({ kind: 'attesting' }),
    fc
      .tuple(fc.nat(2), fc.option(label, { nil: undefined }))
      .map(([at, name]): Event => ({ kind: 'identity', at, label: name })),
    fc.tuple(fc.nat(2), label).map(([at, name]): Event => ({ kind: 'identity', at, label: name })),
    fc.nat(2).map((at): Event => ({ kind: 'fault', at })),
    fc
      .tuple(
        fc.constantFrom('own' as const, 'partner' as const),
        fc.option(labels, { nil: undefined, freq: 5 }),
      )
      .map(([at, to]): Event => ({ kind: 'bundle', at, labels: to })),
    fc.boolean().map((reads): Event => ({ kind: 'reads', reads })),
    fc.constantFrom(1, 3, 9, 12, 60).map((ticks): Event => ({ kind: 'time', ticks })),
    fc.constant<Event>({ kind: 'reloaded' }),
  ),
  { maxLength: 25 },
)

/** The service and the model side by side. */
class Run {
  readonly #plans: readonly EntryPlan[]
  readonly #setting: ReturnType<typeof setUp>
  readonly #entries: ReturnType<typeof entry>[]
  readonly #streams: {
    readonly call: ReturnType<ReturnType<typeof setUp>['open']>
    readonly model: Model
  }[] = []
  readonly #world: World = {
    granted: [],
    possible: [],
    decided: false,
    labels: [undefined, undefined, undefined],
    faults: [false, false, false],
    own: ['r1'],
    partner: undefined,
    reads: true,
  }

  constructor(plan: readonly EntryPlan[], open: boolean) {
    this.#plans = plan
    this.#setting = setUp({ unregisteredBundles: open })
    this.#entries = plan.map(({ hint, isDefault, federates }, index) =>
      entry(`e${index}`, { hint, default: isDefault, federatesWith: federates ? [PARTNER] : [] }),
    )
    this.#setBundles()
    for (const rpc of RPCS) {
      const model = new Model(rpc, plan, open)
      model.look(this.#world)
      this.#streams.push({ call: this.#setting.open(rpc), model })
    }
  }

  async play(history: readonly Event[], tally: Map<string, number>): Promise<void> {
    this.#check()
    for (const event of history) {
      const before = this.#streams.map(({ call }) => call.written.length)
      if (event.kind === 'time') await this.#pass(event.ticks)
      else {
        this.#apply(event)
        await settle(2)
        for (const { model } of this.#streams) model.look(this.#world)
      }
      this.#check()
      for (const [index, { call }] of this.#streams.entries()) {
        const sent = call.written.length - (before[index] ?? 0)
        if (event.kind !== 'time') assert(sent <= 1, 'one change is one message')
        count(tally, sent > 0 ? 'sent' : 'silent')
        if (call.status !== undefined) count(tally, `ended ${call.status.code}`)
      }
    }
  }

  /** In the end, with a client that reads and nothing on its way, the last message is the full state. */
  async rest(): Promise<void> {
    this.#apply({ kind: 'reads', reads: true })
    this.#apply({ kind: 'match', granted: 7, possible: 7 })
    for (const at of [0, 1, 2]) this.#apply({ kind: 'identity', at, label: 'z' })
    this.#apply({ kind: 'bundle', at: 'own', labels: ['r1', 'r2'] })
    await settle()
    for (const { call, model } of this.#streams) {
      model.look(this.#world)
      if (call.status !== undefined) continue
      const whole = wholeState(call.rpc, this.#world, {
        plans: this.#plans,
        isFirst: false,
        open: true,
      })
      assert(typeof whole === 'object' && whole.isWhole)
      assert.deepEqual(call.said.at(-1), whole.lines)
    }
    for (const { call } of this.#streams) call.cancel()
    assert.equal(this.#setting.clock.pending, 0)
    assert.equal(this.#setting.workload.streams.size, 0)
  }

  async #pass(ticks: number): Promise<void> {
    for (let tick = 0; tick < ticks; tick++) {
      await this.#setting.clock.advance(TICK_MS)
      for (const { model } of this.#streams) model.tick(this.#world)
    }
  }

  #apply(event: Event): void {
    const world = this.#world
    const { caller, identities } = this.#setting
    switch (event.kind) {
      case 'match':
        world.granted = members(event.granted)
        world.possible = members(event.possible)
        world.decided = event.granted === event.possible
        return this.#match()
      case 'attesting':
        world.granted = world.possible = []
        world.decided = false
        return caller.isUndecided('the caller is being attested')
      case 'identity':
        world.labels[event.at] = event.label
        return identities.set(this.#entries[event.at]!, event.label)
      case 'fault':
        world.faults[event.at] = true
        return identities.fail(this.#entries[event.at]!, 'the CA is away')
      case 'bundle':
        world[event.at] = event.labels
        return this.#setBundles()
      case 'reads':
        world.reads = event.reads
        for (const { call } of this.#streams) {
          call.blocked = !event.reads
          if (event.reads) call.flush()
        }
        return
      case 'reloaded':
        // The file was read again, and says the same in other objects.
        for (const [index, each] of this.#entries.entries()) this.#entries[index] = { ...each }
        if (world.granted.length > 0) this.#match()
        return
      case 'time':
    }
  }

  #match(): void {
    const { caller } = this.#setting
    const { granted, possible, decided } = this.#world
    const of = (indices: readonly number[]) => indices.map((index) => this.#entries[index]!)
    if (decided) caller.matches(...of(granted))
    else caller.mayMatch(of(granted), of(possible))
  }

  #setBundles(): void {
    const { own, partner } = this.#world
    const all: Bundle[] = []
    if (own !== undefined) all.push(wholeBundle(OWN, ...own))
    if (partner !== undefined) all.push(wholeBundle(PARTNER, ...partner))
    this.#setting.bundles.set(bundlesOf(...all))
  }

  #check(): void {
    for (const { call, model } of this.#streams) {
      assert.deepEqual(call.said, model.messages, call.rpc)
      assert.equal(call.status?.code, model.ended, call.rpc)
      for (const [index, lines] of call.said.entries())
        assert.notDeepEqual(lines, call.said[index - 1], 'the same is not said twice in a row')
    }
  }
}

const count = (tally: Map<string, number>, what: string): void =>
  void tally.set(what, (tally.get(what) ?? 0) + 1)

test('streams of the Workload API send exactly what a model says that works the whole state out anew', async () => {
  const tally = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(plans, fc.boolean(), events, async (plan, open, history) => {
      const run = new Run(plan, open)
      await run.play(history, tally)
      await run.rest()
    }),
    { numRuns: RUNS },
  )
  for (const what of ['sent', 'silent', 'ended 7', 'ended 14'])
    assert((tally.get(what) ?? 0) > RUNS / 10, `histories with ${what} were seen`)
})
