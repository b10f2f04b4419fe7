import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AppliedSchema, OpenSchema } from '#spindle/sync/v1/sync_pb.js'
import type { SyncResponse } from '#spindle/sync/v1/sync_pb.js'
import { create } from '@bufbuild/protobuf'
import type { Selector } from '../../src/registration/selector.ts'
import { parseSelector } from '../../src/registration/selector.ts'
import { parseEntryId } from '../../src/registration/server-entry.ts'
import type { EntryId, ServerEntry } from '../../src/registration/server-entry.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { AttestedAgent, StoredBundle } from '../../src/store/model.ts'
import { settle } from '../fakes/clock.ts'
import {
  agent as agentValue,
  bundle as bundleValue,
  entry as entryValue,
} from '../fakes/store-values.ts'
import { FULL } from './full.ts'
import { servedBy } from './serving-rule.ts'
import { createWorld } from './sync-world.ts'
import type { AgentEnd, World } from './sync-world.ts'

const own = parseTrustDomain('td')
const foreign = ['f1', 'f2'].map(parseTrustDomain)
const server = parseSpiffeId('spiffe://td/spire/server')
const agents = ['1', '2', '3'].map((name) => parseSpiffeId(`spiffe://td/spire/agent/${name}`))
const names = ['a', 'b', 'c'].map((name) => parseSpiffeId(`spiffe://td/${name}`))
const selectors = ['s:1', 's:2'].map(parseSelector)

const FORGET = { kind: 'forget' } as const
const RESTORE = { kind: 'restore' } as const

type Change =
  | { readonly of: 'entry'; readonly draft: Partial<ServerEntry> & Pick<ServerEntry, 'id'> }
  | { readonly of: 'no entry'; readonly id: EntryId }
  | { readonly of: 'bundle'; readonly trustDomain: TrustDomain }
  | { readonly of: 'no bundle'; readonly trustDomain: TrustDomain }
  | { readonly of: 'agent'; readonly id: SpiffeId; readonly held: readonly Selector[] }
  | { readonly of: 'no agent'; readonly id: SpiffeId; readonly banned: boolean }

const entry = fc.record({
  id: fc.integer({ min: 0, max: 7 }).map((at) => parseEntryId(`e${at}`)),
  spiffeId: fc.constantFrom(...names),
  parentId: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...agents) },
    { weight: 2, arbitrary: fc.constantFrom(...names) },
    { weight: 2, arbitrary: fc.constant(server) },
  ),
  selectors: fc.subarray(selectors, { minLength: 1 }),
  federatesWith: fc.subarray(foreign),
})
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 20, arbitrary: entry.map((draft) => ({ of: 'entry', draft }) as const) },
  { weight: 6, arbitrary: entry.map(({ id }) => ({ of: 'no entry', id }) as const) },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(own, ...foreign)
      .map((trustDomain) => ({ of: 'bundle', trustDomain }) as const),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...foreign)
      .map((trustDomain) => ({ of: 'no bundle', trustDomain }) as const),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ id: fc.constantFrom(...agents), held: fc.subarray(selectors) })
      .map((one) => ({ of: 'agent', ...one }) as const),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ id: fc.constantFrom(...agents), banned: fc.boolean() })
      .map((one) => ({ of: 'no agent', ...one }) as const),
  },
)
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({ changes: fc.array(change, { minLength: 1, maxLength: 3 }), lag: fc.boolean() })
      .map((one) => ({ kind: 'commit', ...one }) as const),
  },
  {
    weight: 20,
    arbitrary: fc
      .record({
        agent: fc.constantFrom(...agents),
        does: fc.oneof(
          { weight: 4, arbitrary: fc.constant('resume') },
          { weight: 1, arbitrary: fc.constantFrom('begin', 'leave') },
          { weight: 6, arbitrary: fc.constant('apply') },
        ),
      })
      .map((one) => ({ kind: 'agent', ...one }) as const),
  },
  { weight: 1, arbitrary: fc.constantFrom(FORGET, FORGET, RESTORE) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** What happened in all histories together. */
const counts = { rounds: 0, nothing: 0, resumed: 0, full: 0, ended: 0 }

/** An agent that does as the protocol says, and keeps what it applied across its calls. */
class Agent {
  readonly id: SpiffeId
  call: AgentEnd | undefined
  token: Uint8Array = Buffer.alloc(0)
  /** Revisions by entry id, sequences by trust domain. */
  entries = new Map<string, bigint>()
  bundles = new Map<string, bigint>()
  /** Every entry id it was ever told. */
  readonly told = new Set<string>()
  readonly #parts: SyncResponse[] = []
  #isFirst = false

  constructor(id: SpiffeId) {
    this.id = id
  }

  open(world: World, token: Uint8Array): void {
    this.leave()
    this.call = world.open(this.id)
    this.#isFirst = true
    this.#parts.length = 0
    if (token.length === 0) [this.entries, this.bundles, this.token] = [new Map(), new Map(), token]
    const value = create(OpenSchema, { resumeToken: token })
    if (!this.call.ended) this.call.say({ case: 'open', value })
  }

  receive(message: SyncResponse): void {
    assert(!this.#parts.at(-1)?.complete, 'a second round before the first was applied')
    this.#parts.push(message)
    if (!message.complete) return
    counts.rounds++
    const { full, entries, bundles, removedEntries, removedBundles } = message
    const said = entries.length + bundles.length + removedEntries.length + removedBundles.length
    if (!this.#isFirst) assert(said > 0 && !full, 'a round that says nothing')
    else if (full) counts.full++
    else if (said === 0) counts.nothing++
    else counts.resumed++
    this.#isFirst = false
  }

  /** @returns whether there was anything to apply */
  apply(): boolean {
    const last = this.#parts.at(-1)
    if (last?.complete !== true || this.call === undefined || this.call.ended) return false
    if (last.full) [this.entries, this.bundles] = [new Map(), new Map()]
    for (const part of this.#parts.splice(0)) {
      for (const one of part.entries) this.entries.set(one.id, one.revisionNumber)
      for (const id of part.removedEntries) this.entries.delete(id)
      for (const one of part.bundles) this.bundles.set(one.trustDomain, one.sequenceNumber)
      for (const name of part.removedBundles) this.bundles.delete(name)
    }
    assert.deepEqual([this.entries.size, this.bundles.size], [last.entryCount, last.bundleCount])
    this.token = last.resumeToken
    const value = create(AppliedSchema, { resumeToken: this.token })
    this.call.say({ case: 'applied', value })
    return true
  }

  leave(): void {
    if (this.call?.ended === false) this.call.emit('cancelled')
    this.call = undefined
  }
}

class Model {
  readonly entries = new Map<EntryId, ServerEntry>()
  readonly agents = new Map<SpiffeId, AttestedAgent>()
  readonly bundles = new Map<TrustDomain, StoredBundle>()
  #revision = 0

  /** What becomes of it, as a commit of the store. */
  take(changes: readonly Change[]) {
    const difference = { entries: new Map(), agents: new Map(), bundles: new Map() }
    for (const one of changes) {
      const revision = ++this.#revision
      if (one.of === 'entry') {
        const createdAt = this.entries.get(one.draft.id)?.createdAt ?? revision * 1000
        const value = { ...entryValue('/x'), ...one.draft, revision, createdAt }
        difference.entries.set(one.draft.id, value)
      } else if (one.of === 'no entry') difference.entries.set(one.id, undefined)
      else if (one.of === 'bundle')
        difference.bundles.set(
          one.trustDomain,
          bundleValue(one.trustDomain, { sequence: revision }),
        )
      else if (one.of === 'no bundle') difference.bundles.set(one.trustDomain, undefined)
      else if (one.of === 'agent')
        difference.agents.set(one.id, { ...agentValue('/x'), id: one.id, selectors: one.held })
      else {
        const banned = { ...agentValue('/x'), id: one.id, banned: true }
        difference.agents.set(one.id, one.banned ? banned : undefined)
      }
      for (const [into, from] of [
        [this.entries, difference.entries],
        [this.agents, difference.agents],
        [this.bundles, difference.bundles],
      ] as const)
        for (const [key, value] of from)
          if (value === undefined) into.delete(key as never)
          else into.set(key as never, value as never)
    }
    return difference
  }

  /** Of an agent, as it holds them. */
  shall(id: SpiffeId) {
    const held = this.agents.get(id)?.selectors ?? []
    const entries = servedBy(id, Array.from(this.entries.values()), { server, selectors: held })
    const wanted = new Set([own, ...entries.flatMap(({ federatesWith }) => federatesWith)])
    const bundles = Array.from(this.bundles.values()).filter((one) => wanted.has(one.trustDomain))
    return {
      entries: new Map(entries.map((one) => [one.id as string, BigInt(one.revision)])),
      bundles: new Map(bundles.map((one) => [one.trustDomain as string, BigInt(one.sequence)])),
    }
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const model = new Model()
  const fleet = new Map(agents.map((id) => [id, new Agent(id)]))
  const world = createWorld(own, (id, message) => {
    const { registry } = world
    const its = new Set<unknown>(registry.entriesOf(id).map((one) => one.id))
    const one = fleet.get(id)!
    for (const { id: entryId, revisionNumber } of message.entries) {
      assert(its.has(entryId), `${entryId} is not of ${id}`)
      assert.equal(revisionNumber, BigInt(registry.entry(entryId as EntryId)!.revision))
      one.told.add(entryId)
    }
    for (const gone of message.removedEntries) assert(one.told.has(gone), 'never told of it')
    const may = new Set<string>([own])
    for (const { federatesWith } of registry.entriesOf(id))
      for (const name of federatesWith) may.add(name)
    for (const { trustDomain } of message.bundles) assert(may.has(trustDomain))
    one.receive(message)
  })
  const begin: Change[] = agents.map((id) => ({ of: 'agent', id, held: [] }))
  world.commit(model.take([...begin, { of: 'bundle', trustDomain: own }]), { lag: false })
  for (const one of steps) {
    if (one.kind === 'commit') world.commit(model.take(one.changes), one)
    else if (one.kind === 'forget') world.forget()
    else if (one.kind === 'restore') world.restore()
    else act(fleet.get(one.agent)!, one.does, world)
    await settle(1)
  }
  await world.registry.refreshed()
  // Each comes back, says what it has applied, and is told until nothing is left to say.
  for (const agent of fleet.values())
    if (agent.call === undefined || agent.call.ended) agent.open(world, agent.token)
  for (let left = true; left;) {
    await settle(24)
    left = Array.from(fleet.values(), (agent) => agent.apply()).includes(true)
  }
  for (const [id, agent] of fleet) {
    const attested = model.agents.get(id)
    const may = attested !== undefined && !attested.banned
    assert.equal(agent.call?.ended, !may, id)
    if (!may) counts.ended++
    else assert.deepEqual({ entries: agent.entries, bundles: agent.bundles }, model.shall(id))
  }
  world.stop()
}

function act(agent: Agent, does: string, world: World): void {
  if (does === 'leave') agent.leave()
  else if (does === 'apply') agent.apply()
  else agent.open(world, does === 'resume' ? agent.token : Buffer.alloc(0))
}

test('an agent that follows the sync stream has exactly what it may serve in the end, and hears of nothing else on the way', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 50, size: 'max' }), run),
    { numRuns: FULL ? 5_000 : 500 },
  )
  const { rounds, nothing, resumed, full, ended } = counts
  const seen = JSON.stringify(counts)
  assert(rounds > 500 && nothing > 20 && resumed > 20 && full > 50 && ended > 10, seen)
})
