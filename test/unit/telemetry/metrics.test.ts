import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry, register } from 'prom-client'
import { METRICS, PREFIX } from '../../../src/telemetry/metrics-table.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import type { Metrics } from '../../../src/telemetry/metrics.ts'
import { createManualClock } from '../../fakes/clock.ts'

function setUp() {
  const registry = new Registry()
  const clock = createManualClock()
  const metrics: Metrics = createMetrics({ registry, clock, version: '1.2.3' })
  /** The value of one series as it would be scraped now; undefined where there is none. */
  const value = async (series: string): Promise<number | undefined> => {
    const lines = (await registry.metrics()).split('\n')
    const line = lines.find((one) => one.startsWith(`${PREFIX}${series} `))
    return line === undefined ? undefined : Number(line.split(' ').at(-1))
  }
  return { registry, clock, metrics, value }
}

test('createMetrics() makes every metric of the table, on the registry it is given alone', async () => {
  const { registry } = setUp()
  const made = await registry.getMetricsAsJSON()
  assert.deepEqual(
    new Map(made.map(({ name, help }) => [name, help])),
    new Map(Object.values(METRICS).map(({ name, help }) => [`${PREFIX}${name}`, help])),
  )
  assert.deepEqual(await register.getMetricsAsJSON(), [])
})

test('createMetrics() keeps names and units as Prometheus asks for', () => {
  for (const { name, type, labels, help } of Object.values(METRICS)) {
    assert.match(name, /^[a-z][a-z0-9_]*$/)
    assert.equal(type === 'counter', name.endsWith('_total'), name)
    if (type === 'histogram') assert.ok(name.endsWith('_seconds'), name)
    for (const label of Object.keys(labels)) assert.match(label, /^[a-z][a-z_]*$/)
    assert.match(help, /\.$/)
  }
})

test('createMetrics() counts, sets and observes under the labels of the table', async () => {
  const { metrics, value } = setUp()
  metrics.sdsPushes.inc({ variant: 'delta', kind: 'svid' })
  metrics.sdsPushes.inc({ variant: 'delta', kind: 'svid' }, 2)
  metrics.sdsUnanswered.inc()
  metrics.sidecars.set(7)
  metrics.sdsPushToAck.observe(0.004)
  assert.equal(await value('sds_pushes_total{variant="delta",kind="svid"}'), 3)
  assert.equal(await value('sds_unanswered_total'), 1)
  assert.equal(await value('sidecars'), 7)
  assert.equal(await value('sds_push_to_ack_seconds_bucket{le="0.0025"}'), 0)
  assert.equal(await value('sds_push_to_ack_seconds_bucket{le="0.005"}'), 1)
  assert.equal(await value('build_info{version="1.2.3"}'), 1)
})

test('createMetrics() begins closed label sets at 0, so that a first event is an increase', async () => {
  const { value } = setUp()
  assert.equal(await value('sds_pushes_total{variant="sotw",kind="bundle"}'), 0)
  assert.equal(await value('authority_slots{status="prepared"}'), 0)
  assert.equal(await value('sds_nacks_total{class="key_mismatch"}'), 0)
  assert.equal(await value('connections_refused_total{reason="uid_limit"}'), 0)
  assert.equal(await value('attestation_refusals_total{reason="x"}'), undefined)
})

test('createMetrics() takes a label series away with its subject', async () => {
  const { metrics, value } = setUp()
  metrics.bundleCertificates.set({ trust_domain: 'partner.test' }, 2)
  assert.equal(await value('bundle_certificates{trust_domain="partner.test"}'), 2)
  metrics.bundleCertificates.remove({ trust_domain: 'partner.test' })
  assert.equal(await value('bundle_certificates{trust_domain="partner.test"}'), undefined)
})

test('secretSecondsLeft is worked out at the scrape and goes with its SPIFFE ID', async () => {
  const { metrics, clock, value } = setUp()
  const series = 'secret_seconds_left{spiffe_id="spiffe://example.org/a"}'
  metrics.secretSecondsLeft.set('spiffe://example.org/a', clock.now() + 60_000)
  assert.equal(await value(series), 60)
  await clock.advance(15_000)
  assert.equal(await value(series), 45)
  clock.jump(60_000)
  assert.equal(await value(series), -15)
  metrics.secretSecondsLeft.remove('spiffe://example.org/a')
  assert.equal(await value(series), undefined)
})

test('secretLifeLeft is the share of a life that is left at the scrape, the least of the rest for others', async () => {
  const { metrics, clock, value } = setUp()
  const notBefore = clock.now()
  for (let i = 0; i < 1002; i++)
    metrics.secretLifeLeft.set(`id${i}`, { notBefore, notAfter: notBefore + 1000 * (2000 - i) })
  await clock.advance(500_000)
  assert.equal(await value('secret_life_left_ratio{spiffe_id="id0"}'), 0.75)
  assert.equal(await value('secret_life_left_ratio{spiffe_id="others"}'), 499 / 999)
})

test('secretSecondsLeft has 1,000 series of its own and the least of the rest in one more', async () => {
  const { metrics, clock, value, registry } = setUp()
  const id = (i: number): string => `spiffe://example.org/w${i}`
  const series = (label: string): string => `secret_seconds_left{spiffe_id="${label}"}`
  for (let i = 0; i < 1003; i++)
    metrics.secretSecondsLeft.set(id(i), clock.now() + (2000 - i) * 1000)
  assert.equal(await value(series(id(999))), 1001)
  assert.equal(await value(series(id(1000))), undefined)
  assert.equal(await value(series('others')), 998)
  const lines = (await registry.metrics()).split('\n')
  assert.equal(
    lines.filter((line) => line.startsWith(`${PREFIX}secret_seconds_left{`)).length,
    1001,
  )
  // A renewal changes the value and not the place; one that goes makes room for the next.
  metrics.secretSecondsLeft.set(id(5), clock.now() + 9_000_000)
  metrics.secretSecondsLeft.remove(id(0))
  assert.equal(await value(series(id(5))), 9000)
  assert.equal(await value(series(id(1000))), 1000)
})

test('authorityActiveSecondsLeft has no series while no authority is known', async () => {
  const { metrics, clock, value } = setUp()
  assert.equal(await value('authority_active_seconds_left'), undefined)
  metrics.authorityActiveSecondsLeft.set('', clock.now() + 5000)
  assert.equal(await value('authority_active_seconds_left'), 5)
  metrics.authorityActiveSecondsLeft.remove('')
  assert.equal(await value('authority_active_seconds_left'), undefined)
})
