import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createStreamObserver } from '../../../../src/agent/serve/observer.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { SdsStream } from '../../../../src/agent/serve/stream.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { createMetrics } from '../../../../src/telemetry/metrics.ts'
import { createSeldom } from '../../../../src/telemetry/seldom.ts'
import { createFakeCaller } from '../../../fakes/caller.ts'
import { createManualClock } from '../../../fakes/clock.ts'

function setUp() {
  const clock = createManualClock()
  const registry = new Registry()
  const lines: string[] = []
  const stream = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'info', format: 'json', stream, clock })
  const observer = createStreamObserver(createMetrics({ registry, clock, version: 'test' }), log, {
    ownPid: 1,
    seldom: createSeldom(log, clock),
  })
  return { observer, clock, registry, lines }
}

test('a name that only the health check of the agent asks for is no request refused', async () => {
  const { observer, registry, lines } = setUp()
  const [own, other] = [createFakeCaller({ pid: 1 }), createFakeCaller({ pid: 2 })]
  const notFound = new SpindleError('not_found', 'none')
  observer.fetchRefused(own, notFound)
  observer.fetchRefused(other, notFound)
  observer.fetchRefused(own, new TypeError('a fault'))
  const text = await registry.metrics()
  assert.match(text, /sds_requests_refused_total\{reason="not_found"\} 1\n/)
  assert.match(text, /sds_requests_refused_total\{reason="internal"\} 1\n/)
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /"level":"error".*FetchSecrets failed/)
})

test('a stream that rejects without end is told of once a minute, and counted each time', async () => {
  const { observer, clock, registry, lines } = setUp()
  const stream = (id: string): SdsStream => ({
    sidecar: { caller: createFakeCaller({ pid: 7 }) } as unknown as SdsStream['sidecar'],
    variant: 'delta',
    node: { id, cluster: '', envoyVersion: '' },
    held: () => [],
    holding: () => [],
    push: () => undefined,
    end: () => undefined,
    changed: () => undefined,
  })
  const [noisy, other] = [stream('noisy'), stream('other')]
  const nack = { type: 'nack', nonce: 'n', class: 'other', rejected: [], quarantine: [] } as const
  for (let second = 0; second < 180; second++) {
    for (let time = 0; time < 10; time++) observer.noted(noisy, nack, 1)
    await clock.advance(1_000)
  }
  observer.noted(other, nack, 1)
  const told = lines.map((line) => JSON.parse(line) as { node: string; times?: number })
  assert.deepEqual(
    told.map(({ node, times }) => [node, times]),
    [
      ['noisy', undefined],
      ['noisy', 599],
      ['noisy', 600],
      ['noisy', 600],
      ['other', undefined],
    ],
  )
  assert.match(await registry.metrics(), /sds_nacks_total\{class="other"\} 1801\n/)
})
