import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '../../../src/registration/entry.ts'
import { createEntry } from '../../../src/registration/entry.ts'
import type { KnownSelectors } from '../../../src/registration/match.ts'
import { createRegistry } from '../../../src/registration/match.ts'
import type { NearCallers } from '../../../src/registration/near-callers.ts'
import { nearCallers } from '../../../src/registration/near-callers.ts'
import { parseSelector } from '../../../src/registration/selector.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'

function entry(name: string, ...selectors: readonly string[]): Entry {
  const { entry: made, faults } = createEntry(
    { spiffeId: `spiffe://td/${name}`, selectors },
    parseTrustDomain('td'),
  )
  assert.ok(made, JSON.stringify(faults))
  return made
}

const caller = (name: string, ...selectors: readonly string[]) => {
  const known: KnownSelectors = {
    selectors: new Set(selectors.map(parseSelector)),
    unknownKinds: new Set(),
  }
  return [name, known] as const
}

const web = entry('web', 'unix:uid:1', 'unix:path:/bin/envoy')
const api = entry('api', 'unix:uid:2')
const registry = createRegistry([web, api])

const shown = ({ byEntry }: NearCallers<string>): object =>
  Object.fromEntries(
    Array.from(byEntry, ([id, near]) => [
      registry.entries.find((one) => one.id === id)?.spiffeId,
      near.map(({ caller: name, missing }) => `${name} lacks ${missing.join()}`),
    ]),
  )

test('nearCallers() tells who has some of the selectors of an entry, and which are missing', () => {
  const near = nearCallers(registry, [
    caller('all', 'unix:uid:1', 'unix:path:/bin/envoy'),
    caller('path', 'unix:uid:7', 'unix:path:/bin/envoy'),
    caller('uid', 'unix:uid:1', 'unix:path:/bin/cat'),
  ])
  assert.deepEqual(shown(near), {
    'spiffe://td/web': ['path lacks unix:uid:1', 'uid lacks unix:path:/bin/envoy'],
  })
  assert.equal(near.complete, true)
})

test('nearCallers() puts a caller that has nothing of any entry at the nearest one', () => {
  const near = nearCallers(registry, [caller('stranger', 'unix:uid:9')])
  assert.deepEqual(shown(near), { 'spiffe://td/api': ['stranger lacks unix:uid:2'] })
})

test('nearCallers() tells the nearest few, and no more than it may look at', () => {
  const wide = createRegistry([entry('wide', 'unix:uid:1', 'unix:gid:1', 'unix:user:a')])
  const callers = [
    caller('far', 'unix:uid:1'),
    caller('near', 'unix:uid:1', 'unix:gid:1'),
    caller('as far', 'unix:gid:1'),
  ]
  const limits = { callers: 2, entries: 10, pairs: 100 }
  const [told] = nearCallers(wide, callers, limits).byEntry.values()
  assert.deepEqual(
    told?.map((one) => one.caller),
    ['near', 'far'],
  )
  const alike = [...callers, caller('like near', 'unix:uid:1', 'unix:gid:1')]
  const [both] = nearCallers(wide, alike, limits).byEntry.values()
  assert.deepEqual(
    both?.map((one) => one.caller),
    ['near', 'like near'],
  )
  const cut = nearCallers(wide, callers, { ...limits, pairs: 2 })
  assert.deepEqual([cut.complete, [...cut.byEntry.values()][0]?.length], [false, 2])
  const none = nearCallers(wide, callers, { ...limits, entries: 0 })
  assert.deepEqual([none.complete, none.byEntry.size], [false, 0])
})

test('nearCallers() looks at callers that are alike once, and stops where all of them differ', () => {
  const many = createRegistry(
    Array.from({ length: 1_000 }, (_, n) =>
      entry(`e${n}`, 'unix:path:/bin/envoy', `unix:uid:${n}`),
    ),
  )
  const alike = Array.from({ length: 1_000 }, (_, n) => caller(`${n}`, 'unix:path:/bin/envoy'))
  const near = nearCallers(many, alike)
  assert.deepEqual([near.complete, near.byEntry.size], [true, 1_000])
  const apart = Array.from({ length: 1_000 }, (_, n) =>
    caller(`${n}`, 'unix:path:/bin/envoy', `unix:uid:${n + 5_000}`),
  )
  assert.equal(nearCallers(many, apart).complete, false)
})
