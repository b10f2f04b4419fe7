/** The registries of several servers on one PostgreSQL database. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openRegistry } from '../../src/server/enroll/open-registry.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createStanding } from '../../src/server/enroll/standing.ts'
import type { Registry } from '../../src/server/enroll/registry.ts'
import type { Store } from '../../src/store/port.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { agent, entry, entryId, id, td } from '../fakes/store-values.ts'
import { placeOf, sharedPostgres } from './stores.ts'

interface Server {
  readonly store: Store
  readonly registry: Registry
}

async function servers(t: TestContext, count: number): Promise<readonly Server[] | undefined> {
  const postgres = await sharedPostgres(t)
  if (postgres === undefined) return undefined
  const target = await postgres.database()
  const opened: Server[] = []
  for (let at = 0; at < count; at++) {
    const place = placeOf(t, { kind: 'postgres', target })
    const store = await place.open()
    const { clock } = place
    const log = createLog({ level: 'error', format: 'text', stream: process.stderr, clock })
    const random = createSeededRandom(at)
    const trustDomain = td('example.org')
    const registry = await openRegistry({ store, trustDomain, clock, random, log })
    t.after(() => registry.close())
    opened.push({ store, registry })
  }
  return opened
}

const a = id('/spire/agent/a')

/** Resolves with the ms until the registry has shown that something is so. */
function shown(registry: Registry, there: () => boolean): Promise<number> {
  const begun = performance.now()
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('it is not shown')), 30_000)
    const look = (): void => {
      if (!there()) return
      clearTimeout(late)
      stop()
      resolve(performance.now() - begun)
    }
    const stop = registry.onChange(look)
    look()
  })
}

test('a change that one server commits is shown by the registry of another at once', async (t) => {
  const [here, there] = (await servers(t, 2)) ?? []
  if (here === undefined || there === undefined) return
  await here.store.agents.change(a, () => agent('/spire/agent/a'))
  // It listens from a moment on that is not said; what came before is heard with the next.
  await there.registry.refreshed()
  const waits: number[] = []
  for (let at = 0; at < 20; at++) {
    const arrived = shown(there.registry, () => there.registry.counts.entries === at + 1)
    await here.store.entries.create([entry(`/w${at}`, { id: entryId(`e${at}`) })])
    waits.push(await arrived)
  }
  assert.equal(there.registry.entriesOf(a).length, 20)
  assert.deepEqual(there.registry.position, await here.store.changes.position())
  const median = waits.toSorted((one, other) => one - other)[10]!
  t.diagnostic(`committed here and shown there in ${median.toFixed(1)} ms (median of 20)`)
  assert(median < 100, `${median} ms`)
})

test('an agent that was let in or renewed by one server is known to another with its first call', async (t) => {
  const [here, there] = (await servers(t, 2)) ?? []
  if (here === undefined || there === undefined) return
  const { registry, store } = there
  const standing = createStanding({
    registry,
    agents: store.agents,
    admins: [],
    clock: systemClock,
  })
  const svid = (serial: string) => ({
    spiffeId: a,
    serial,
    notAfter: Infinity,
    authorityId: '',
    chain: [],
  })
  for (let serial = 1; serial <= 10; serial++) {
    await here.store.agents.change(a, (known) => ({
      ...(known ?? agent('/spire/agent/a')),
      serial: String(serial),
    }))
    assert.equal(await standing.agentFault(svid(String(serial))), undefined)
    assert.equal(await standing.agentFault(svid(String(serial - 1))), 'not-active')
  }
  await here.store.agents.change(
    a,
    (known) => known && { ...known, pending: { serial: '11', expiresAt: 1 } },
  )
  assert.equal(await standing.agentFault(svid('11')), undefined)
  await here.registry.refreshed()
  assert.equal(here.registry.agent(a)?.serial, '11')
})
