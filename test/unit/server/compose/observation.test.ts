import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { createObservation } from '../../../../src/server/compose/observation.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { entry } from '../../../fakes/store-values.ts'
import { createSetting } from '../serve/localauthority/setting.ts'

const LOCAL = { kind: 'local', uid: 0, pid: 1 } as const

test('createObservation: the store, the audit and the calls are counted, and told over HTTP with what there is', async (t) => {
  const parts = await createSetting(t)
  const observation = createObservation({ clock: systemClock, version: '1.2.3' })
  const away = () => Promise.reject(new SpindleError('store_unavailable', 'it is away'))
  const servers = { ...parts.store.servers, list: away }
  const store = observation.store({ ...parts.store, servers })
  const written: AuditEvent[] = []
  const audit = observation.audit({ write: (event) => void written.push(event) })
  const http = await observation.serve({
    ...parts,
    store,
    config: {
      trustDomain: parts.trustDomain,
      http: { host: '127.0.0.1', port: 0 },
      admin: { socket: '/nobody/listens' },
    },
    fleet: { connected: 3 },
    descriptors: 1024,
  })
  t.after(() => http?.close())
  const get = async (path: string) => {
    const answer = await fetch(`http://${http?.address}${path}`)
    return { status: answer.status, text: await answer.text() }
  }

  await store.entries.create([entry('/a')])
  await assert.rejects(store.servers.list())
  // Asked wrongly, which says nothing about the store.
  await assert.rejects(store.entries.list({}, { limit: 0 }))
  assert.equal(store.changes.revisions.current, parts.store.changes.revisions.current)
  audit.write({
    event: 'changed',
    caller: LOCAL,
    method: 'm',
    object: 'entry',
    key: 'k',
    action: 'create',
  })
  audit.write({ event: 'denied', caller: LOCAL, reason: 'role' })
  const call = { code: 0, tookMs: 2, isStream: false }
  observation.ended({ ...call, path: '/spire.api.server.entry.v1.Entry/ListEntries' })
  observation.ended({ ...call, path: '/spindle.sync.v1.SyncService/Sync', isStream: true, code: 1 })
  observation.ended({ ...call, path: '/made.up/Method', code: 12 })

  const { text } = await get('/metrics')
  const expected = [
    'entries 1',
    'agents_connected 3',
    'bundle_sequence 2',
    'changes_total{object="entry"} 1',
    'denials_total{reason="role"} 1',
    'rpcs_total{rpc="spire.api.server.entry.v1.Entry/ListEntries",code="OK"} 1',
    'rpc_seconds_count{rpc="spire.api.server.entry.v1.Entry/ListEntries"} 1',
    'rpcs_total{rpc="spindle.sync.v1.SyncService/Sync",code="CANCELLED"} 1',
    'rpcs_total{rpc="other",code="UNIMPLEMENTED"} 1',
    'store_seconds_count{object="entries",operation="create"} 1',
    'store_failures_total{object="servers",operation="list"} 1',
    // The door does not answer, so the server is not ready.
    'ready 0',
  ]
  for (const line of expected) assert(text.includes(`\nspindle_server_${line}\n`), line)
  assert(!text.includes('rpc_seconds_count{rpc="spindle.sync'))
  assert(!text.includes('store_failures_total{object="entries"'))
  assert.deepEqual(
    written.map(({ event }) => event),
    ['changed', 'denied'],
  )
  const ready = await get('/ready')
  const { checks } = JSON.parse(ready.text) as { checks: { name: string; ok: boolean }[] }
  assert.equal(ready.status, 503)
  assert.deepEqual(
    checks.map(({ name, ok }) => [name, ok]),
    [
      ['api', false],
      ['store', true],
      ['authority', true],
      ['jwt-authority', true],
      ['svid', true],
    ],
  )
  assert.equal((await get('/live')).status, 503)
})

test('serverHealthChecks: a store that is gone, and an authority whose life is over, make the server not ready', async (t) => {
  const parts = await createSetting(t)
  const observation = createObservation({ clock: systemClock, version: '1.2.3' })
  const slots = [{ authorityId: 'a', status: 'active', notBefore: 0, notAfter: 1 }] as const
  const over = { state: { current: { slots } } } as never
  const http = await observation.serve({
    ...parts,
    issuing: { ...parts.issuing, x509: over, jwt: over },
    config: {
      trustDomain: parts.trustDomain,
      http: { host: '127.0.0.1', port: 0 },
      admin: { socket: '/nobody/listens' },
    },
    fleet: { connected: 0 },
    descriptors: 1024,
  })
  t.after(() => http?.close())
  await parts.store.close()
  const answer = await fetch(`http://${http?.address}/ready`)
  const { checks } = (await answer.json()) as {
    checks: { name: string; ok: boolean; detail: string }[]
  }
  assert.deepEqual(
    checks.filter(({ ok }) => !ok).map(({ name }) => name),
    ['api', 'store', 'authority', 'jwt-authority'],
  )
  const text = await (await fetch(`http://${http?.address}/metrics`)).text()
  assert(!text.includes('\nspindle_server_entries '))
})
