/** What a caller is told where PostgreSQL goes away in the middle of a change: what was stored is, what is not known is not. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import { status } from '../../src/runtime/grpc-status.ts'
import { createEntryService } from '../../src/server/serve/entry/service.ts'
import { proxyTo } from '../fakes/postgres-proxy.ts'
import { entryId } from '../fakes/store-values.ts'
import { entry } from '../unit/server/serve/entry/messages.ts'
import { setUp } from '../unit/server/serve/setting.ts'
import { placeOf, sharedPostgres } from './stores.ts'

const { batchCreateEntry } = EntryService.method

async function setting(t: TestContext) {
  const server = await sharedPostgres(t)
  if (server === undefined) return undefined
  const target = await server.database()
  const proxy = await proxyTo(t, target)
  const service = await setUp(t, createEntryService, { kind: 'postgres', target: proxy.target })
  const direct = placeOf(t, { kind: 'postgres', target })
  // What it reads at its start is read: from here on it asks when something has changed.
  await service.registry.refreshed()
  return { ...service, proxy, direct: await direct.open() }
}

describe('Answers while PostgreSQL fails', { concurrency: true }, () => {
  for (const how of ['down', 'silent'] as const) {
    test(`what is committed is answered as done where the store is ${how} right then`, async (t) => {
      const set = await setting(t)
      if (set === undefined) return
      const { call, proxy, direct, registry, clock } = set
      // What the registry asks for once the commit was answered.
      proxy.failAt('from "changes"', how)
      const idle = clock.pending
      const answer = call(batchCreateEntry, { entries: [entry('/a', { id: 'a' })] })
      if (how === 'silent') {
        await until(() => proxy.silent && clock.pending > idle)
        await clock.advance(5_000)
      }
      const { results } = await answer
      assert.deepEqual(
        results.map((one) => [one.status?.code, one.entry?.id]),
        [[status.OK, 'a']],
      )
      assert.equal((await direct.entries.get(entryId('a')))?.id, 'a')
      assert.equal(registry.entry(entryId('a')), undefined, 'it was answered before it is shown')
      proxy[how] = false
      await until(
        () => registry.entry(entryId('a')) !== undefined,
        () => clock.advance(1_000),
      )
    })
  }

  test('what is not known to be committed is told so', async (t) => {
    const set = await setting(t)
    if (set === undefined) return
    const { call, proxy, audited } = set
    proxy.failAt('commit', 'down')
    await assert.rejects(call(batchCreateEntry, { entries: [entry('/a')] }), {
      code: status.UNAVAILABLE,
      details: /whether the change was stored is not known/,
    })
    assert.deepEqual(audited(), [])
  })
})

/** Resolves once `holds`, with `meanwhile` done over and over; rejects after 60 s of real time. */
async function until(
  holds: () => boolean,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const late = performance.now() + 60_000
  while (!holds()) {
    if (performance.now() > late) throw new Error('it did not come to that')
    await meanwhile()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
