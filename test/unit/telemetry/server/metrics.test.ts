import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createServerMetrics } from '../../../../src/telemetry/server/metrics.ts'
import type { ScrapedServer } from '../../../../src/telemetry/server/metrics.ts'
import { OF_A_SERVER, SERVER_PREFIX } from '../../../../src/telemetry/server/table.ts'
import { createManualClock } from '../../../fakes/clock.ts'

function setUp(more: Partial<ScrapedServer> = {}) {
  const clock = createManualClock()
  const metrics = createServerMetrics({ clock, version: '1.2.3' })
  const now = clock.now()
  const scraped: ScrapedServer = {
    counts: async () => ({ entries: 3, agents: 2, bundles: 1 }),
    agentsConnected: 2,
    agentsBehind: 1,
    logFailures: 3,
    bundleSequence: 7,
    authorities: {
      x509: {
        slots: [
          { status: 'tainted', notBefore: now - 60_000, notAfter: now },
          { status: 'active', notBefore: now - 20_000, notAfter: now + 60_000 },
        ],
      },
      jwt: { slots: [], fault: 'none' },
    },
    svid: { notBefore: now - 10_000, notAfter: now + 30_000 },
    ready: async () => true,
    ...more,
  }
  const read = async (): Promise<ReadonlyMap<string, string>> => {
    const text = await metrics.textOf(scraped).metrics()
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(
      lines.map((line) => {
        const space = line.lastIndexOf(' ')
        return [line.slice(SERVER_PREFIX.length, space), line.slice(space + 1)]
      }),
    )
  }
  return { clock, metrics, read }
}

test('textOf reads what there is at each scrape', async () => {
  const { clock, read } = setUp()
  const first = await read()
  const expected = {
    entries: '3',
    agents: '2',
    bundles: '1',
    agents_connected: '2',
    agents_behind: '1',
    log_failures_total: '3',
    bundle_sequence: '7',
    'authority_slots{kind="x509",status="tainted"}': '1',
    'authority_slots{kind="x509",status="active"}': '1',
    'authority_slots{kind="jwt",status="active"}': '0',
    'authority_active_seconds_left{kind="x509"}': '60',
    'authority_active_seconds_left{kind="jwt"}': undefined,
    'authority_active_life_left_ratio{kind="x509"}': '0.75',
    'authority_active_life_left_ratio{kind="jwt"}': undefined,
    // There is none above.
    authority_attached_seconds_left: undefined,
    authority_attached_life_left_ratio: undefined,
    above_fault: undefined,
    publication_fault: '0',
    'authority_fault{kind="x509"}': '0',
    'authority_fault{kind="jwt"}': '1',
    svid_seconds_left: '30',
    svid_life_left_ratio: '0.75',
    'connections_refused_total{reason="handshake_failed"}': '0',
    ready: '1',
    'build_info{version="1.2.3"}': '1',
    'issued_total{kind="x509-svid"}': '0',
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(first.get(name), value, name)
  clock.jump(10_000)
  const second = await read()
  assert.equal(second.get('authority_active_seconds_left{kind="x509"}'), '50')
  // As many as there were, not as many again.
  assert.equal(second.get('log_failures_total'), '3')
})

test('textOf: the certificate above that ends first is told for as long as there is one', async () => {
  const x509 = { slots: [], attached: { notBefore: 0, notAfter: 1 } }
  const { clock, read } = setUp({ authorities: { x509, jwt: { slots: [] } } })
  Object.assign(x509.attached, { notBefore: clock.now() - 30_000, notAfter: clock.now() + 10_000 })
  const text = await read()
  assert.equal(text.get('authority_attached_seconds_left'), '10')
  assert.equal(text.get('authority_attached_life_left_ratio'), '0.25')
  Object.assign(x509, { attached: undefined })
  assert.equal((await read()).get('authority_attached_seconds_left'), undefined)
})

test('textOf: what the store does not say has no series, and the server is not ready', async () => {
  let isAway = false
  const away = async (): Promise<never> => Promise.reject(new Error('away'))
  const { read } = setUp({
    counts: () => (isAway ? away() : Promise.resolve({ entries: 3, agents: 2, bundles: 1 })),
    ready: () => (isAway ? away() : Promise.resolve(true)),
    bundleSequence: undefined,
  })
  assert.equal((await read()).get('entries'), '3')
  isAway = true
  const text = await read()
  for (const name of ['entries', 'agents', 'bundles', 'bundle_sequence'])
    assert.equal(text.get(name), undefined, name)
  assert.equal(text.get('ready'), '0')
})

test('createServerMetrics counts what it is told of', async () => {
  const { metrics, read } = setUp()
  const rpc = 'spire.api.server.entry.v1.Entry/ListEntries'
  metrics.rpcs.inc({ rpc, code: 'OK' })
  metrics.rpcDuration.observe({ rpc }, 0.002)
  metrics.issued.inc({ kind: 'jwt-svid' })
  metrics.storeDuration.observe({ object: 'entries', operation: 'list' }, 0.001)
  const text = await read()
  assert.equal(text.get(`rpcs_total{rpc="${rpc}",code="OK"}`), '1')
  assert.equal(text.get(`rpc_seconds_count{rpc="${rpc}"}`), '1')
  assert.equal(text.get('issued_total{kind="jwt-svid"}'), '1')
  assert.equal(text.get('store_seconds_count{object="entries",operation="list"}'), '1')
})

test('every metric of a server says what it means, and its name what it is', () => {
  for (const { name, type, help } of Object.values(OF_A_SERVER)) {
    assert.match(help, /\.$/, name)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.equal(name.endsWith('_seconds'), type === 'histogram', name)
  }
})
