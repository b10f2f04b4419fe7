/** Random steps on a store: few keys and few values, so that they meet. */
import fc from 'fast-check'
import { entryId, id, selectors, td } from '../fakes/store-values.ts'

const ids = Array.from({ length: 8 }, (_, at) => entryId(`e${at}`))
const paths = ['/a', '/b', '/spire/agent/1']
const parents = [id('/spire/agent/1'), id('/spire/server')]
const texts = ['a:1', 'a:2', 'b:1', 'b:ü☂']
const domains = ['one.test', 'two.test'].map(td)
const hints = ['', 'h', 'ü']

const set = <T>(of: readonly T[], minLength = 0) => fc.subarray([...of], { minLength })
const content = fc.record({
  path: fc.constantFrom(...paths),
  parentId: fc.constantFrom(...parents),
  selectors: fc.oneof(set(selectors(...texts), 1), fc.constant(selectors('a:2', 'a:1', 'a:2'))),
  federatesWith: set(domains),
  hint: fc.constantFrom(...hints),
  downstream: fc.boolean(),
  /** Steps from now. */
  life: fc.option(fc.integer({ min: 0, max: 30 })),
})
const created = fc.record({ id: fc.constantFrom(...ids), content })
const agents = fc.record({
  id: fc.integer({ min: 0, max: 4 }),
  attestationType: fc.constantFrom('join_token', 'x509pop'),
  banned: fc.boolean(),
  canReattest: fc.boolean(),
  selectors: set(selectors(...texts)),
  life: fc.integer({ min: 0, max: 30 }),
})
const match = fc.constantFrom('exact', 'subset', 'superset', 'any')
const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined, freq: 1 })
const setFilter = <T>(of: readonly T[]) => maybe(fc.record({ match, of: set(of) }))
const entryFilter = fc.record({
  spiffeId: maybe(fc.constantFrom(...paths.map(id))),
  parentId: maybe(fc.constantFrom(...parents)),
  selectors: setFilter(selectors(...texts)),
  federatesWith: setFilter(domains),
  hint: maybe(fc.constantFrom(...hints)),
  downstream: maybe(fc.boolean()),
})
const agentFilter = fc.record({
  attestationType: maybe(fc.constantFrom('join_token', 'x509pop')),
  selectors: setFilter(selectors(...texts)),
  banned: maybe(fc.boolean()),
  canReattest: maybe(fc.boolean()),
  expiresBefore: maybe(fc.integer({ min: 0, max: 30 })),
})
const limit = fc.integer({ min: 1, max: 5 })

export const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(created, { minLength: 1, maxLength: 5 })
      .map((of) => ({ do: 'create', of }) as const),
  },
  {
    weight: 4,
    arbitrary: fc
      .array(created, { minLength: 1, maxLength: 4 })
      .map((of) => ({ do: 'update', of }) as const),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.constantFrom(...ids), { minLength: 1, maxLength: 4 })
      .map((of) => ({ do: 'delete', of }) as const),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('list' as const), filter: entryFilter, limit }),
  },
  { weight: 4, arbitrary: agents.map((one) => ({ do: 'agent', one }) as const) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 4 }).map((which) => ({ do: 'evict', which }) as const),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('agents' as const), filter: agentFilter, limit }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('bundle' as const),
      name: fc.constantFrom(...domains),
      sequence: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('unbundle' as const),
      name: fc.constantFrom(...domains),
      mode: fc.constantFrom('restrict', 'delete', 'dissociate'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('since' as const),
      back: fc.constantFrom(-1, 0, 1, 3, 10, 25, 50),
      limit,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('prune' as const),
      what: fc.constantFrom('entries', 'agents', 'all agents', 'changes'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' } as const) },
)
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

export type Content = typeof content extends fc.Arbitrary<infer T> ? T : never
