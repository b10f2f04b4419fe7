import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKey } from '../../../../src/certs/keys.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { ErrorCode } from '../../../../src/runtime/errors.ts'
import { createObservation } from '../../../../src/server/compose/observation.ts'
import type { FleetView } from '../../../../src/server/publish/fleet-view.ts'
import type { SpiffeId } from '../../../../src/spiffe/spiffe-id.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { entry } from '../../../fakes/store-values.ts'
import { createSetting } from '../serve/localauthority/setting.ts'

const AGENT = 'spiffe://example.org/spire/agent/a' as SpiffeId
const LOCAL = { kind: 'local', uid: 0, pid: 1 } as const

/** One agent, with the bundle of that sequence number. */
const fleetAt = (sequence: number): FleetView['haveBundle'] => {
  return (wanted) =>
    sequence >= wanted ? { have: [AGENT], behind: [] } : { have: [], behind: [AGENT] }
}

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
      authority: { kind: 'embedded' },
    },
    fleet: { connected: 3, haveBundle: fleetAt(2) },
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
    'agents_behind 0',
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
      authority: { kind: 'embedded' },
    },
    fleet: { connected: 0, haveBundle: fleetAt(2) },
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

test('createObservation: what cannot be signed, what is wrong behind the authorities, and connections that are refused, are told', async (t) => {
  const parts = await createSetting(t)
  const observation = createObservation({ clock: systemClock, version: '1.2.3' })
  const { x509, jwt } = observation.issuing({
    ...parts.issuing,
    x509: failing(parts.issuing.x509, 'authority_unavailable'),
    jwt: failing(parts.issuing.jwt, 'authority_unavailable'),
  })
  const wrong = observation.issuing({
    ...parts.issuing,
    jwt: failing(parts.issuing.jwt, 'request_invalid'),
  })
  const http = await observation.serve({
    ...parts,
    config: {
      trustDomain: parts.trustDomain,
      http: { host: '127.0.0.1', port: 0 },
      admin: { socket: '/nobody/listens' },
      authority: { kind: 'server' },
    },
    fleet: { connected: 1, haveBundle: fleetAt(1) },
    descriptors: 1024,
  })
  t.after(() => http?.close())
  const expect = async (...lines: readonly string[]): Promise<void> => {
    const text = await (await fetch(`http://${http?.address}/metrics`)).text()
    for (const line of lines) assert(text.includes(`\nspindle_server_${line}\n`), line)
  }

  // Of a nested server it is known at once; and the bundle is at 2.
  await expect('above_fault 0', 'publication_fault 0', 'agents_behind 1')
  await assert.rejects(x509.issue({} as never))
  await assert.rejects(x509.issueCa({} as never))
  await assert.rejects(jwt.issue({} as never))
  await assert.rejects(wrong.jwt.issue({} as never))
  const svid = await wrong.x509.issue({
    spiffeId: AGENT,
    dnsNames: [],
    spki: (await generateKey('ec-p256')).spki,
    ttlMs: 60_000,
  })
  assert.equal(svid.authorityId, wrong.x509.state.current.slots[0]?.authorityId)
  observation.told({ of: 'svid', event: { kind: 'failed', message: 'no', retryMs: 1 } })
  observation.told({ of: 'above', fault: 'away' })
  observation.told({ of: 'publication', fault: 'full' })
  observation.refused('handshake_failed')
  await expect(
    'issue_failures_total{kind="x509"} 3',
    'issue_failures_total{kind="jwt"} 1',
    'above_fault 1',
    'publication_fault 1',
    'connections_refused_total{reason="handshake_failed"} 1',
  )
  observation.told({ of: 'above', fault: undefined })
  observation.told({ of: 'publication', fault: undefined })
  await expect('above_fault 0', 'publication_fault 0')
})

function failing<A extends object>(authority: A, code: ErrorCode): A {
  const fails = () => Promise.reject(new SpindleError(code, 'it does not sign'))
  return new Proxy(authority, {
    get: (target, name) =>
      name === 'issue' || name === 'issueCa' ? fails : Reflect.get(target, name, target),
  })
}
