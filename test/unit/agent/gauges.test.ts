import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { reportBundles, reportMoment } from '../../../src/agent/gauges.ts'
import type { Moment } from '../../../src/agent/gauges.ts'
import type { Identity } from '../../../src/agent/obtain/identity.ts'
import { readCertificatesPem } from '../../../src/certs/parse.ts'
import type { Bundle } from '../../../src/spiffe/bundle.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import type { LinkState } from '../../../src/agent/obtain/server/link.ts'
import { createFeed } from '../../../src/runtime/feed.ts'
import { createManualClock } from '../../fakes/clock.ts'
import { UP } from '../../fakes/server-link.ts'
import { createOperatorCa } from '../../fakes/operator-ca.ts'
import { entry, HOUR } from './obtain/setting.ts'

const PREFIX = 'spindle_agent_'
const partner = parseTrustDomain('partner.test')

function setUp() {
  const registry = new Registry()
  const clock = createManualClock()
  const metrics = createMetrics({ registry, clock, version: '1' })
  const value = async (series: string): Promise<number | undefined> => {
    const lines = (await registry.metrics()).split('\n')
    const line = lines.find((one) => one.startsWith(`${PREFIX}${series} `))
    return line === undefined ? undefined : Number(line.split(' ').at(-1))
  }
  const moment = (more: Partial<Moment>): Moment => ({
    now: clock.now(),
    ready: true,
    identities: [],
    holding: { svid: 0, bundle: 0 },
    missing: 0,
    bundles: {},
    server: undefined,
    ...more,
  })
  return { clock, metrics, value, moment, report: reportMoment(metrics) }
}

const log = createLog({
  level: 'error',
  format: 'json',
  stream: { write: () => true },
  clock: createManualClock(),
})

function identity(name: string, [begun, left]: readonly [number, number], now: number): Identity {
  const svid = { notBefore: now - begun, notAfter: now + left }
  return { entry: entry(name), svid } as Identity
}

test('reportMoment: of several X.509-SVIDs of one SPIFFE ID the one with least of its life left counts', async () => {
  const { clock, report, moment, value } = setUp()
  const now = clock.now()
  const long = identity('web', [9 * HOUR, HOUR], now)
  const short = identity('web', [HOUR / 4, HOUR / 4], now)
  report(moment({ identities: [short, long], missing: 2, ready: false }))
  const label = '{spiffe_id="spiffe://example.org/web"}'
  assert.equal(await value(`secret_life_left_ratio${label}`), 0.1)
  assert.equal(await value(`secret_seconds_left${label}`), 3600)
  assert.equal(await value('identities'), 2)
  assert.equal(await value('identities_missing'), 2)
  assert.equal(await value('ready'), 0)
  report(moment({}))
  assert.equal(await value(`secret_life_left_ratio${label}`), undefined)
  assert.equal(await value(`secret_seconds_left${label}`), undefined)
  assert.equal(await value('ready'), 1)
})

test('reportMoment: when the file of a bundle was written, as long as it is there', async (t) => {
  const { report, moment, value } = setUp()
  const folder = mkdtempSync(join(tmpdir(), 'spindle-gauges-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'partner.json')
  const series = 'bundle_file_modified_timestamp_seconds{trust_domain="partner.test"}'
  const bundles = { [partner]: { file } }
  writeFileSync(file, '')
  utimesSync(file, 1_700_000_000, 1_700_000_000)
  report(moment({ bundles }))
  assert.equal(await value(series), 1_700_000_000)
  rmSync(file)
  report(moment({ bundles }))
  assert.equal(await value(series), undefined)
})

test('reportBundles: the life of the authority that ends last, the refresh hint, and neither once the bundle is gone', async () => {
  const { clock, metrics, value } = setUp()
  const now = Math.floor(clock.now() / 1000) * 1000
  clock.jump(now - clock.now())
  const report = reportBundles(metrics, log, parseTrustDomain('example.org'))
  const authority = async (left: number): Promise<Buffer> => {
    const life = { notBefore: now - HOUR, notAfter: now + left }
    const [der] = readCertificatesPem((await createOperatorCa({ name: 'ca', ...life })).certPem, '')
    return der!
  }
  const bundle: Bundle = {
    trustDomain: partner,
    x509Authorities: [await authority(3 * HOUR), await authority(HOUR)],
    jwtAuthorities: [],
  }
  const of = (name: string): string => `bundle_${name}{trust_domain="partner.test"}`
  report(new Map([[partner, { ...bundle, refreshHintSeconds: 300 }]]))
  assert.equal(await value(of('certificates')), 2)
  assert.equal(await value(of('seconds_left')), 10_800)
  assert.equal(await value(of('life_left_ratio')), 0.75)
  assert.equal(await value(of('refresh_hint_seconds')), 300)
  report(new Map([[partner, { ...bundle, x509Authorities: [] }]]))
  assert.equal(await value(of('certificates')), 0)
  assert.equal(await value(of('life_left_ratio')), undefined)
  assert.equal(await value(of('refresh_hint_seconds')), undefined)
  report(new Map())
  assert.equal(await value(of('certificates')), undefined)
})

test('reportMoment: what an agent has of its server, and nothing of the kind without one', async () => {
  const { clock, report, moment, value } = setUp()
  const shown = () =>
    Promise.all(
      [
        'connected',
        'heard_seconds_ago',
        'svid_seconds_left',
        'bootstrap_unverified',
        'cache_ok',
      ].map((name) => value(`server_${name}`)),
    )
  report(moment({}))
  assert.deepEqual(await shown(), [undefined, undefined, undefined, undefined, undefined])
  const now = clock.now()
  const state = createFeed<LinkState>({ ...UP, heardAt: now - 2_000, svidNotAfter: now + 5_000 })
  const server = { address: 'h:1', state, cache: { fault: undefined } }
  report(moment({ server }))
  assert.deepEqual(await shown(), [1, 2, 5, 0, 1])
  state.set({
    ...UP,
    fault: 'away',
    bootstrap: 'unverified',
    heardAt: undefined,
    svidNotAfter: undefined,
  })
  report(moment({ server: { ...server, cache: { fault: 'no space' } } }))
  assert.deepEqual(await shown(), [0, undefined, undefined, 1, 0])
  report(moment({ server: { ...server, cache: undefined } }))
  assert.equal((await shown())[4], undefined)
})
