import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createReporter } from '../../../src/agent/reporter.ts'
import type { IdentityEvent } from '../../../src/agent/obtain/identity.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { createSeldom } from '../../../src/telemetry/seldom.ts'
import { setting, MINUTE, HOUR, entry } from './obtain/setting.ts'
import { slotView, unavailable } from '../../fakes/authority.ts'
import { createManualClock } from '../../fakes/clock.ts'

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

test('what becomes of JWT-SVIDs is counted, and a failure is said seldom, however often it happens', async () => {
  const clock = createManualClock()
  const registry = new Registry()
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) > 0 }
  const log = createLog({ level: 'warn', format: 'json', stream, clock })
  const report = createReporter({
    metrics: createMetrics({ registry, clock, version: 'test' }),
    log,
    seldom: createSeldom(log, clock),
    own: parseTrustDomain('example.org'),
  })
  const web = entry('web')
  const signed = {
    kind: 'signed',
    entry: web,
    audiences: 1,
    expiresAt: 1,
    authorityId: 'a',
  } as const
  report.jwtSvidEvent(signed)
  report.jwtSvidEvent({ kind: 'cached', entry: web })
  assert.deepEqual(lines, [])
  const { code, message } = unavailable('the disk is full')
  for (let each = 0; each < 50; each++)
    report.jwtSvidEvent({ kind: 'failed', entry: web, code, message, served: true })
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /"level":"error".*the disk is full.*JWT-SVID not signed/)
  report.jwtAuthorityEvent({ kind: 'issued', tookMs: 2 })
  report.jwtAuthority({ keys: [], slots: [slotView('a'), slotView('b', { status: 'old' })] })
  const text = await registry.metrics()
  for (const line of [
    'jwt_svids_total{result="signed"} 1',
    'jwt_svids_total{result="cached"} 1',
    'jwt_svids_total{result="failed"} 50',
    'jwt_sign_seconds_count 1',
    'jwt_authority_slots{status="active"} 1',
    'jwt_authority_slots{status="old"} 1',
    'jwt_authority_fault 0',
  ])
    assert.ok(text.includes(`spindle_agent_${line}\n`), line)
  report.jwtAuthority({ keys: [], slots: [], fault: 'it is not stored' })
  const after = await registry.metrics()
  assert.ok(after.includes('spindle_agent_jwt_authority_fault 1\n'))
  assert.doesNotMatch(after, /^spindle_agent_jwt_authority_active_seconds_left /m, 'none signs')
})
