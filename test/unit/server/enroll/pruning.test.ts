import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createPruning } from '../../../../src/server/enroll/pruning.ts'
import type { PruningOptions } from '../../../../src/server/enroll/pruning.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { agent, entry, entryId, id } from '../../../fakes/store-values.ts'
import { setUp } from './setting.ts'
import type { Setting } from './setting.ts'

const MINUTE = 60_000
const e1 = entryId('e1')

const BY_ITSELF = { event: 'changed', caller: { kind: 'server' } } as const

function start(t: TestContext, { clock, store, registry, lines }: Setting, more = {}) {
  const stream = { write: (line: string) => lines.push(line) }
  const log = createLog({ level: 'info', format: 'json', stream, clock })
  const audited: AuditEvent[] = []
  const audit = { write: (event: AuditEvent) => void audited.push(event) }
  const options = { store, registry, clock, audit, log, ...more } satisfies PruningOptions
  const pruning = createPruning(options)
  t.after(() => pruning.close())
  return { ...pruning, audited }
}

/** Store calls are made on threads of their own where the clock stands still meanwhile. */
async function becomes(registry: Setting['registry'], there: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !there(); turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    await registry.refreshed()
  }
  assert(there())
}

test('createPruning removes an entry at the instant it expires, also one that came later and expires sooner', async (t) => {
  const setting = await setUp(t)
  const { clock, store, registry, lines } = setting
  const pruning = start(t, setting)
  const now = clock.now()
  await store.entries.create([entry('/late', { id: e1, expiresAt: now + 3 * MINUTE })])
  const soon = entry('/soon', { id: entryId('e2'), expiresAt: now + MINUTE })
  const [made] = await store.entries.create([soon])
  await registry.caughtUp()
  assert.equal(registry.nextExpiry(), now + MINUTE)
  await clock.advance(MINUTE - 1)
  assert.equal(registry.counts.entries, 2)
  await clock.advance(1)
  await becomes(registry, () => registry.entry(entryId('e2')) === undefined)
  assert.notEqual(registry.entry(e1), undefined)
  await clock.advance(2 * MINUTE)
  await becomes(registry, () => registry.entry(e1) === undefined)
  assert.equal(registry.nextExpiry(), undefined)
  assert.match(lines.join(''), /"what":"entries","removed":1/)
  await pruning.close()
  const { audited } = pruning
  const expired = { ...BY_ITSELF, object: 'entry', action: 'expire' } as const
  const { revision } = made!.entry
  assert.deepEqual(audited[0], { ...expired, key: 'e2', revision })
  assert.deepEqual(
    audited.map((line) => 'key' in line && line.key),
    ['e2', 'e1'],
  )
})

test('createPruning removes join tokens every five minutes, and agents only where it is told to', async (t) => {
  const setting = await setUp(t)
  const { clock, store, registry } = setting
  const expired = agent('/spire/agent/a', { expiresAt: clock.now(), canReattest: true })
  await store.agents.change(id('/spire/agent/a'), () => expired)
  await store.joinTokens.create('t1', { expiresAt: clock.now() + MINUTE })
  await store.joinTokens.create('t2', { expiresAt: clock.now() + 2 * MINUTE, alias: id('/host') })
  const first = start(t, setting)
  await clock.advance(5 * MINUTE)
  assert.equal(await store.joinTokens.get('t1'), undefined)
  await clock.advance(120 * MINUTE)
  await registry.refreshed()
  assert.equal(registry.counts.agents, 1)
  await first.close()
  const token = { ...BY_ITSELF, object: 'join-token', action: 'expire' } as const
  assert.deepEqual(first.audited, [
    { ...token, key: '' },
    { ...token, key: id('/host') },
  ])
  const second = start(t, setting, { agents: { expiredForMs: MINUTE, once: false } })
  await clock.advance(60 * MINUTE)
  await becomes(registry, () => registry.counts.agents === 0)
  await second.close()
  assert.deepEqual(second.audited, [
    { ...BY_ITSELF, object: 'agent', key: expired.id, action: 'prune' },
  ])
})

test('createPruning forgets changes of over a day ago, and goes on after the store was away', async (t) => {
  const setting = await setUp(t)
  const { clock, store, registry, lines } = setting
  const from = await store.changes.position()
  await store.agents.change(id('/spire/agent/a'), () => agent('/spire/agent/a'))
  await registry.caughtUp()
  let away = true
  const changes = {
    ...store.changes,
    prune: (before: number) =>
      away ? Promise.reject(new Error('no database')) : store.changes.prune(before),
  }
  const pruning = start(t, { ...setting, store: { ...store, changes } })
  await clock.advance(23 * 60 * MINUTE)
  assert.match(lines.join(''), /could not be removed/)
  away = false
  await clock.advance(2 * 60 * MINUTE)
  await pruning.close()
  assert.equal((await store.changes.since(from, 10)).kind, 'start_anew')
})
