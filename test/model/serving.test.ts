import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseSelector } from '../../src/registration/selector.ts'
import { parseEntryId } from '../../src/registration/server-entry.ts'
import type { ServerEntry } from '../../src/registration/server-entry.ts'
import { createServingIndex } from '../../src/registration/serving.ts'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import type { SpiffeId } from '../../src/spiffe/spiffe-id.ts'
import { FULL } from './full.ts'
import { servedBy } from './serving-rule.ts'

const server = parseSpiffeId('spiffe://td/spire/server')
const agents = ['1', '2', '3', '4'].map((name) => parseSpiffeId(`spiffe://td/spire/agent/${name}`))
const names = ['a', 'b', 'c', 'd'].map((name) => parseSpiffeId(`spiffe://td/${name}`))
const selectors = ['s:1', 's:2', 's:3', 's:4'].map(parseSelector)

/** Few of everything, so that chains, circles, and several ways to one entry occur. */
const entry = fc.record({
  id: fc.integer({ min: 0, max: 9 }).map((at) => parseEntryId(`e${at}`)),
  spiffeId: fc.constantFrom(...names, agents[0]!, server),
  parentId: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...agents) },
    { weight: 3, arbitrary: fc.constantFrom(...names) },
    { weight: 2, arbitrary: fc.constant(server) },
  ),
  selectors: fc.subarray(selectors, { minLength: 1, maxLength: 3 }),
})
type Draft = typeof entry extends fc.Arbitrary<infer T> ? T : never

const step = fc.oneof(
  { weight: 5, arbitrary: entry.map((draft) => ({ kind: 'set', draft }) as const) },
  { weight: 1, arbitrary: entry.map((draft) => ({ kind: 'same', draft }) as const) },
  { weight: 2, arbitrary: entry.map(({ id }) => ({ kind: 'remove', id }) as const) },
  {
    weight: 3,
    arbitrary: fc
      .record({ id: fc.constantFrom(...agents), of: fc.subarray(selectors) })
      .map((agent) => ({ kind: 'agent', ...agent }) as const),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...agents).map((id) => ({ kind: 'gone', id }) as const),
  },
)

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Model {
  readonly entries: Map<string, ServerEntry>
  readonly agents: Map<SpiffeId, readonly string[]>
}

const obvious = ({ entries, agents: known }: Model, agent: SpiffeId): readonly ServerEntry[] =>
  servedBy(agent, Array.from(entries.values()), { server, selectors: known.get(agent) ?? [] })

test('the serving index answers as the rule does, and each change names the agents it concerns, and few others', () => {
  let [served, changed, told] = [0, 0, 0]
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), (steps) => {
      const index = createServingIndex(server)
      const model: Model = { entries: new Map(), agents: new Map() }
      let revision = 0
      const setEntry = (draft: Draft) => {
        const next = { ...ENTRY, ...draft, revision: ++revision, createdAt: revision % 3 }
        model.entries.set(draft.id, next)
        return index.setEntry(next)
      }
      for (const one of steps) {
        const before = new Map(agents.map((agent) => [agent, obvious(model, agent)]))
        const had = 'id' in one ? model.entries.get(one.id) : model.entries.get(one.draft.id)
        const concerned = ((): ReadonlySet<SpiffeId> => {
          switch (one.kind) {
            case 'set':
              return setEntry(one.draft)
            case 'same':
              return had === undefined ? setEntry(one.draft) : index.setEntry({ ...had })
            case 'remove':
              model.entries.delete(one.id)
              return index.removeEntry(one.id)
            case 'agent':
              model.agents.set(one.id, one.of)
              return index.setAgent(one.id, one.of)
            case 'gone':
              model.agents.delete(one.id)
              return index.removeAgent(one.id)
          }
        })()
        for (const agent of agents) {
          const now = obvious(model, agent)
          assert.deepEqual(index.entriesOf(agent), now)
          for (const each of model.entries.values())
            assert.equal(index.mayServe(agent, each.id), now.includes(each))
          const differs =
            now.some((each, at) => each !== before.get(agent)![at]) ||
            now.length !== before.get(agent)!.length
          if (differs && (model.agents.has(agent) || one.kind === 'gone')) {
            assert(concerned.has(agent), `${one.kind} is not told of to ${agent}`)
            changed++
          }
          served += now.length
        }
        told += concerned.size
        checkFew(model, one, { concerned, before, had })
        for (const each of model.entries.values()) {
          const may = agents.filter(
            (agent) => model.agents.has(agent) && obvious(model, agent).includes(each),
          )
          assert.deepEqual(index.agentsOf(each.id), new Set(may))
        }
      }
    }),
    { numRuns: FULL ? 2_000 : 200 },
  )
  assert(served > 1_000 && changed > 300, `${served} ${changed}`)
  assert(told < changed * 2, `${told} were told of ${changed} changes`)
})

/** Who is told had the entry before, or has it now; of an alias, has a child of it. */
function checkFew(
  model: Model,
  one: Step,
  seen: {
    readonly concerned: ReadonlySet<SpiffeId>
    readonly before: ReadonlyMap<SpiffeId, readonly ServerEntry[]>
    readonly had: ServerEntry | undefined
  },
): void {
  const { concerned, before, had } = seen
  if (one.kind === 'agent' || one.kind === 'gone') {
    assert(Array.from(concerned).every((agent) => agent === one.id))
    return
  }
  const now = model.entries.get('id' in one ? one.id : one.draft.id)
  for (const agent of concerned) {
    const was = had !== undefined && touches(had, before.get(agent)!)
    assert(
      was || (now !== undefined && touches(now, obvious(model, agent))),
      `${agent} need not know`,
    )
  }
}

function touches(entry: ServerEntry, of: readonly ServerEntry[]): boolean {
  if (entry.parentId === server) return of.some(({ parentId }) => parentId === entry.spiffeId)
  return of.some(({ id }) => id === entry.id)
}

const ENTRY = {
  federatesWith: [],
  dnsNames: [],
  admin: false,
  downstream: false,
  storeSvid: false,
  hint: '',
  disableX509SvidPrefetch: false,
  jwtSvidIncludeJti: false,
}
