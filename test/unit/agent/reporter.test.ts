import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createReporter } from '../../../src/agent/reporter.ts'
import type { IdentityEvent } from '../../../src/agent/obtain/held-identity.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { createSeldom } from '../../../src/telemetry/seldom.ts'
import { setting, MINUTE, HOUR, entry } from './obtain/setting.ts'
import { unavailable } from '../../fakes/authority.ts'

test('a first X.509-SVID is issued and is no renewal, nor is a first one that fails', async (t) => {
  const { clock, authority, identities, events } = setting(t)
  const registry = new Registry()
  const log = createLog({ level: 'error', format: 'json', stream: { write: () => true }, clock })
  const report = createReporter({
    metrics: createMetrics({ registry, clock, version: 'test' }),
    log,
    seldom: createSeldom(log, clock),
    own: parseTrustDomain('example.org'),
  })
  const take = async (count: number): Promise<readonly IdentityEvent[]> => {
    for (let wait = 0; events.length < count && wait < 1_000; wait++) await clock.advance(0)
    const taken = events.splice(0)
    for (const event of taken) report.identityEvent(event)
    return taken
  }
  const text = async (): Promise<string> => registry.metrics()
  authority.failure = unavailable()
  identities.acquire(entry('web'))
  assert.equal((await take(1))[0]?.kind, 'failed')
  assert.match(await text(), /issue_failures_total 1\n/)
  assert.match(await text(), /rotations_total\{result="failed"\} 0\n/)
  authority.failure = undefined
  await clock.advance(MINUTE)
  assert.equal((await take(1))[0]?.kind, 'issued')
  assert.match(await text(), /rotations_total\{result="ok"\} 0\n/)
  await clock.advance(HOUR / 2)
  assert.equal((await take(1))[0]?.kind, 'issued')
  assert.match(await text(), /rotations_total\{result="ok"\} 1\n/)
  authority.failure = unavailable()
  await clock.advance(HOUR / 2)
  await take(1)
  assert.doesNotMatch(await text(), /rotations_total\{result="failed"\} 0\n/)
})
