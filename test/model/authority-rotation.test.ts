import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SlotStatus, SlotView } from '../../src/authority/authority.ts'
import { createFeed } from '../../src/runtime/feed.ts'
import type { RegistryChange } from '../../src/server/enroll/registry.ts'
import { readingOf } from '../../src/server/publish/fleet-view.ts'
import type { FleetView, Said } from '../../src/server/publish/fleet-view.ts'
import type { Steps } from '../../src/server/serve/localauthority/steps.ts'
import { toGo } from '../../src/server/serve/rotation/plan.ts'
import { walk } from '../../src/server/serve/rotation/walk.ts'
import type { Progress, RotationParts } from '../../src/server/serve/rotation/walk.ts'
import type { SpiffeId } from '../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../fakes/clock.ts'
import { agent as agentValue, id, td } from '../fakes/store-values.ts'
import { FULL } from './full.ts'

/**
 * Random histories of a fleet while its authority is rotated, over and over, by calls that end at any moment. After every step
 * whoever is attested, connected or not, verifies whoever else is, with the bundle it has applied.
 * One of them is at another server, which writes down what it says some time later.
 */
type Deed = 'join' | 'connect' | 'leave' | 'apply' | 'sign' | 'evict' | 'write'
type Step =
  { readonly kind: Deed; readonly agent: number } | { readonly kind: 'rotate' | 'hang-up' }

const AGENTS = 3
const runs = FULL ? 1_000 : 100

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'join',
        'connect',
        'leave',
        'apply',
        'apply',
        'sign',
        'sign',
        'evict',
        'write',
      ),
      agent: fc.nat(AGENTS - 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('rotate', 'rotate', 'hang-up') }) },
)

interface Agent {
  readonly id: SpiffeId
  attested: boolean
  connected: boolean
  /** Index of the bundle it decides by. */
  applied: number
  /** What signed its SVIDs. */
  holds: string
  readonly isElsewhere: boolean
  /** What its server has written down. */
  written: Said | undefined
}

const saidOf = ({ connected, applied, holds }: Agent): Said | undefined =>
  connected ? { sequence: applied, x509: [holds], jwt: [], more: [] } : undefined

class World {
  readonly clock = createManualClock()
  readonly slots = createFeed<{ readonly slots: readonly SlotView[] }>({ slots: [] })
  readonly own = createFeed({ authorityId: 'a0' })
  /** Those trusted, by sequence. */
  readonly bundles: (readonly string[])[] = [['a0']]
  readonly agents: readonly Agent[]
  readonly said: Progress[] = []
  readonly #fleetListeners = new Set<() => void>()
  readonly #registryListeners = new Set<(change: RegistryChange) => void>()
  #made = 0
  #going: ReadonlySet<string> | undefined
  #calls: AbortController | undefined
  #running: Promise<void> | undefined

  constructor() {
    this.#setSlots([['a0', 'active']])
    this.agents = Array.from({ length: AGENTS }, (_, at) => ({
      id: id(`/spire/agent/${at}`),
      attested: false,
      connected: false,
      applied: 0,
      holds: '',
      isElsewhere: at === AGENTS - 1,
      written: undefined,
    }))
  }

  get active(): string {
    return this.slots.current.slots.find(({ status }) => status === 'active')!.authorityId
  }

  async take(next: Step): Promise<void> {
    if ('agent' in next) this.#change(next.kind, this.agents[next.agent]!)
    else if (next.kind === 'rotate') this.#rotate()
    else this.#calls?.abort()
    await this.clock.advance(6_000)
  }

  #change(kind: Deed, agent: Agent): void {
    const last = this.bundles.length - 1
    if (kind === 'join' && !agent.attested)
      Object.assign(agent, { attested: true, applied: last, holds: this.active })
    if (kind === 'evict')
      Object.assign(agent, { attested: false, connected: false, written: undefined })
    if (kind === 'write') agent.written = saidOf(agent)
    if (kind === 'connect' && agent.attested) agent.connected = true
    if (kind === 'leave') agent.connected = false
    if (kind === 'apply' && agent.connected) agent.applied = last
    if (kind === 'sign' && agent.connected) agent.holds = this.active
    const agents = new Set([agent.id])
    for (const listen of this.#registryListeners) listen({ agents } as unknown as RegistryChange)
    for (const listen of this.#fleetListeners) listen()
  }

  /** Nobody presents what another cannot verify. */
  check(): void {
    const there = this.agents.filter(({ attested }) => attested)
    for (const one of there)
      for (const other of there)
        assert(
          this.bundles[other.applied]!.includes(one.holds),
          `${other.id} has ${this.bundles[other.applied]!.join()}, and ${one.id} shows ${one.holds}`,
        )
  }

  /** All agents that are there do what they can. @returns what signs then */
  async settle(): Promise<string> {
    this.#rotate()
    for (let round = 0; round < 4; round++)
      for (const kind of ['connect', 'apply', 'sign', 'write'] as const)
        for (let agent = 0; agent < AGENTS; agent++) await this.take({ kind, agent })
    await this.#running
    this.check()
    return this.active
  }

  #rotate(): void {
    if (this.#running !== undefined) return
    const calls = new AbortController()
    this.#calls = calls
    const { slots } = this.slots.current
    const isLeft = slots.some(({ authorityId }) => this.#going?.has(authorityId))
    const going = isLeft ? this.#going! : toGo(slots)
    this.#going = going
    const run = async (): Promise<void> => {
      const way = {
        kind: 'x509' as const,
        steps: this.#steps(),
        going,
        withdraws: true,
        request: { force: false, allowAway: false, waitSeconds: 10_000 },
        asked: {} as never,
        signal: calls.signal,
      }
      for await (const progress of walk(this.#parts(), way)) this.said.push(progress)
    }
    this.#running = run().finally(() => (this.#running = undefined))
  }

  #setSlots(slots: readonly (readonly [string, SlotStatus])[]): void {
    this.slots.set({
      slots: slots.map(([authorityId, status]) => ({
        authorityId,
        status,
        notBefore: 0,
        notAfter: 1,
        ...(status === 'prepared' && { activatesAt: 1 }),
      })),
    })
  }

  #steps(): Steps {
    const now = () =>
      this.slots.current.slots.map(({ authorityId, status }) => [authorityId, status] as const)
    const publish = (): void => void this.bundles.push(now().map(([authorityId]) => authorityId))
    const become = (name: string, status: SlotStatus): void =>
      this.#setSlots(now().map((slot) => (slot[0] === name ? [name, status] : slot)))
    const done = {} as never
    return {
      show: async () => done,
      withdraws: async () => true,
      prepare: async () => {
        this.#made += 1
        this.#setSlots([...now(), [`a${this.#made}`, 'prepared']])
        publish()
        return done
      },
      activate: async (name) => {
        become(this.active, 'old')
        become(name, 'active')
        return done
      },
      taint: async (name) => {
        become(name, 'tainted')
        this.own.set({ authorityId: this.active })
        publish()
        return done
      },
      revoke: async (name) => {
        this.#setSlots(now().filter(([each]) => each !== name))
        publish()
        return done
      },
    }
  }

  #fleet(): FleetView {
    const saidBy = (name: SpiffeId): readonly Said[] => {
      const agent = this.agents.find((each) => each.id === name)!
      const said = agent.isElsewhere ? agent.written : saidOf(agent)
      return said === undefined ? [] : [said]
    }
    const there = (): readonly SpiffeId[] =>
      this.agents.flatMap(({ id: name }) => (saidBy(name).length === 0 ? [] : [name]))
    return {
      ...readingOf(there, saidBy),
      everywhere: async () => readingOf(there, saidBy),
      onProgress: listening(this.#fleetListeners),
    }
  }

  #parts(): RotationParts {
    const stored = ({ id: name, attested }: Agent) =>
      attested ? { ...agentValue('/x'), id: name, expiresAt: 2 ** 50 } : undefined
    return {
      trustDomain: td('example.org'),
      clock: this.clock,
      issuing: { serverId: 's', x509: { state: this.slots }, svid: this.own } as never,
      audit: { write() {} },
      unseen: { hear() {}, until: () => -Infinity },
      store: {
        agents: {
          list: async () => ({ items: this.agents.flatMap((agent) => stored(agent) ?? []) }),
        },
      } as never,
      registry: {
        bundle: () => ({ sequence: this.bundles.length - 1 }) as never,
        agent: (name) => stored(this.agents.find((agent) => agent.id === name)!),
        caughtUp: async () => {},
        shown: async () => {},
        onChange: listening(this.#registryListeners),
      },
      fleet: this.#fleet(),
    }
  }
}

const listening =
  <L>(listeners: Set<L>) =>
  (listen: L) => {
    listeners.add(listen)
    return () => void listeners.delete(listen)
  }

test('an authority is rotated, whatever the agents do: all of them verify each other throughout, and it comes to an end', async () => {
  let rotations = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
      const world = new World()
      for (const each of steps) {
        await world.take(each)
        world.check()
      }
      const last = await world.settle()
      assert.deepEqual(
        world.slots.current.slots.map(({ authorityId, status }) => [authorityId, status]),
        [[last, 'active']],
      )
      rotations += Number(last.slice(1))
    }),
    { numRuns: runs },
  )
  assert(rotations > runs, `${rotations} rotations`)
})
