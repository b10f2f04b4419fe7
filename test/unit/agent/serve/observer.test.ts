import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createStreamObserver } from '../../../../src/agent/serve/observer.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { createMetrics } from '../../../../src/telemetry/metrics.ts'
import { createFakeCaller } from '../../../fakes/caller.ts'
import { createManualClock } from '../../../fakes/clock.ts'

test('a name that only the health check of the agent asks for is no request refused', async () => {
  const clock = createManualClock()
  const registry = new Registry()
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) }
  const observer = createStreamObserver(
    createMetrics({ registry, clock, version: 'test' }),
    createLog({ level: 'info', format: 'json', stream, clock }),
    { ownPid: 1 },
  )
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
