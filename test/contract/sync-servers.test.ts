/** Agents of several servers on one PostgreSQL database. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { AppliedSchema, OpenSchema } from '#spindle/sync/v1/sync_pb.js'
import type { SyncResponse } from '#spindle/sync/v1/sync_pb.js'
import { create } from '@bufbuild/protobuf'
import { openRegistry } from '../../src/server/enroll/open-registry.ts'
import { createSyncService } from '../../src/server/publish/sync.ts'
import type { Store } from '../../src/store/port.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { AgentEnd, serveAgents } from '../model/sync-world.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { agent, bundle, entry, entryId, id, td } from '../fakes/store-values.ts'
import { placeOf, sharedPostgres } from './stores.ts'

const a = id('/spire/agent/a')
const trustDomain = td('example.org')

interface Server {
  readonly store: Store
  /** Resolves once its registry shows what was committed before. */
  refreshed(): Promise<void>
  open(token: Uint8Array): Call
}

interface Call {
  /** The next round, which is applied. */
  round(): Promise<SyncResponse>
  leave(): void
}

async function servers(t: TestContext, count: number): Promise<readonly Server[] | undefined> {
  const postgres = await sharedPostgres(t)
  if (postgres === undefined) return undefined
  const target = await postgres.database()
  return await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const place = placeOf(t, { kind: 'postgres', target })
      const store = await place.open()
      const { clock } = place
      const log = createLog({ level: 'error', format: 'text', stream: process.stderr, clock })
      const random = createSeededRandom(at)
      const registry = await openRegistry({ store, trustDomain, clock, random, log })
      const service = createSyncService({
        trustDomain,
        clock,
        registry,
        store,
        verifier: { faultOf: () => undefined },
        audit: { write: () => undefined },
        log,
      })
      t.after(async () => {
        service.endStreams('the test is over')
        await registry.close()
      })
      const take = serveAgents(service)
      return { store, refreshed: registry.refreshed, open: (token) => callOf(take, token) }
    }),
  )
}

function callOf(take: (end: AgentEnd) => void, token: Uint8Array): Call {
  const parts: SyncResponse[] = []
  let wake = (): void => undefined
  const end = new AgentEnd(a, (part) => {
    parts.push(part)
    wake()
  })
  take(end)
  end.say({ case: 'open', value: create(OpenSchema, { resumeToken: token }) })
  return {
    async round() {
      const late = setTimeout(() => wake(), 30_000)
      if (parts.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      clearTimeout(late)
      const part = parts.shift()
      assert(part?.complete, 'no round came')
      const value = create(AppliedSchema, { resumeToken: part.resumeToken })
      end.say({ case: 'applied', value })
      return part
    },
    leave: () => void end.emit('cancelled'),
  }
}

test('an agent of one server hears of what another commits, and goes on there with its token', async (t) => {
  const [here, there] = (await servers(t, 2)) ?? []
  if (here === undefined || there === undefined) return
  await here.store.agents.change(a, () => agent('/spire/agent/a'))
  await here.store.bundles.change(trustDomain, () => bundle('example.org'))
  await here.store.entries.create([entry('/w1', { id: entryId('e1'), hint: 'h' })])
  // An agent that is not known yet is turned away.
  await here.refreshed()
  const atHere = here.open(Buffer.alloc(0))
  let round = await atHere.round()
  while (round.entryCount < 1) round = await atHere.round()

  const begun = performance.now()
  await there.store.entries.create([entry('/w2', { id: entryId('e2') })])
  round = await atHere.round()
  t.diagnostic(`committed there, at the agent here in ${(performance.now() - begun).toFixed(1)} ms`)
  assert.deepEqual(
    round.entries.map((one) => one.id),
    ['e2'],
  )
  atHere.leave()
  await there.refreshed()
  const moved = await there.open(round.resumeToken).round()
  assert.deepEqual([moved.full, moved.entries, moved.bundles], [false, [], []])
  assert.deepEqual([moved.entryCount, moved.bundleCount], [2, 1])

  await here.store.entries.update([
    { id: entryId('e1'), change: (known) => ({ ...known, hint: 'other' }) },
  ])
  const again = here.open(moved.resumeToken)
  let back = await again.round()
  // It may be opened before its server has heard of it.
  if (back.entries.length === 0) back = await again.round()
  assert.deepEqual(
    [back.full, back.entries.map(({ id: of, hint }) => [of, hint])],
    [false, [['e1', 'other']]],
  )
})
