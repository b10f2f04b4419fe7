import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { recordWorkload } from '../../../../../src/agent/history.ts'
import { createWorkloadObserver } from '../../../../../src/agent/serve/workload/observer.ts'
import { createLog } from '../../../../../src/telemetry/log.ts'
import { createMetrics } from '../../../../../src/telemetry/metrics.ts'
import { createSeldom } from '../../../../../src/telemetry/seldom.ts'
import type { Happening } from '../../../../../src/telemetry/timeline.ts'
import { createManualClock, settle } from '../../../../fakes/clock.ts'
import { entry } from '../../obtain/setting.ts'
import { setUp } from './setting.ts'

const WEB = entry('web')

function observed(level: 'info' | 'trace' = 'info') {
  const clock = createManualClock()
  const registry = new Registry()
  const lines: string[] = []
  const log = createLog({
    level,
    format: 'json',
    stream: { write: (line: string) => void lines.push(line) },
    clock,
  })
  const metrics = createMetrics({ registry, clock, version: 'test' })
  const happened: Happening[] = []
  const observer = recordWorkload(createWorkloadObserver(metrics, log, createSeldom(log, clock)), {
    add: (happening) => void happened.push(happening),
  })
  const setting = setUp({ observer })
  const value = async (series: string): Promise<number> => {
    const text = await registry.metrics()
    const line = text
      .split('\n')
      .find((each) => each.startsWith(`spindle_agent_workload_${series} `))
    return Number(line?.split(' ').at(-1))
  }
  const shown = () => happened.map(({ kind, subject, detail }) => [kind, subject, detail].join(' '))
  return { ...setting, observer, lines, value, shown }
}

test('streams of the Workload API are counted while they are open, and their messages and ends', async () => {
  const { caller, identities, open, value, shown, lines } = observed()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open('FetchX509SVID')
  identities.set(WEB, 'two')
  await settle()
  const rpc = 'rpc="FetchX509SVID"'
  assert.equal(await value(`streams{${rpc}}`), 1)
  assert.equal(await value(`messages_total{${rpc}}`), 2)
  assert.equal(await value(`time_to_first_answer_seconds_count{${rpc}}`), 1)
  call.cancel()
  assert.equal(await value(`streams{${rpc}}`), 0)
  assert.equal(await value(`calls_total{${rpc},code="CANCELLED"}`), 1)
  open('FetchX509SVID')
  caller.matches()
  await settle()
  open('FetchJWTBundles')
  assert.equal(await value(`calls_total{${rpc},code="PERMISSION_DENIED"}`), 1)
  assert.deepEqual(shown(), [
    'pushed FetchX509SVID Workload API',
    'pushed FetchX509SVID Workload API',
    'pushed FetchX509SVID Workload API',
    'refused FetchX509SVID no_identity',
    'refused FetchJWTBundles no_identity',
  ])
  assert.equal(lines.length, 2, 'an operator hears who is refused')
  assert.match(lines[0] ?? '', /"level":"warn".*"rpc":"FetchX509SVID".*"pid":7.*no entry matches/)
})

test('calls that answer once are counted by how they end; what a caller sends is no concern of an operator', async () => {
  const { caller, fetchJwt, validate, value, lines } = observed()
  caller.matches(WEB)
  await fetchJwt(['a'])
  await assert.rejects(fetchJwt([]))
  await assert.rejects(validate('a', 'x'))
  assert.equal(lines.length, 0)
  caller.matches()
  for (let times = 0; times < 3; times++) await assert.rejects(fetchJwt(['a']))
  assert.equal(lines.length, 1, 'once a minute')
  const rpc = 'rpc="FetchJWTSVID"'
  assert.equal(await value(`calls_total{${rpc},code="OK"}`), 1)
  assert.equal(await value(`calls_total{${rpc},code="INVALID_ARGUMENT"}`), 1)
  assert.equal(await value(`calls_total{${rpc},code="PERMISSION_DENIED"}`), 3)
  assert.equal(await value('calls_total{rpc="ValidateJWTSVID",code="INVALID_ARGUMENT"}'), 1)
  assert.equal(await value(`time_to_first_answer_seconds_count{${rpc}}`), 1)
})

test('a call without the security header is counted and told', async () => {
  const { observer, value, shown, lines } = observed()
  observer.unheard('/SpiffeWorkloadAPI/FetchX509SVID')
  observer.unheard('/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets')
  assert.equal(await value('calls_total{rpc="FetchX509SVID",code="INVALID_ARGUMENT"}'), 1)
  assert.equal(lines.length, 2)
  assert.deepEqual(
    shown()[0],
    'refused /SpiffeWorkloadAPI/FetchX509SVID without its security header',
  )
})

test('a fault in Spindle is an error in the log, and an agent that goes is none', async () => {
  const { caller, identities, open, workload, jwtSvids, fetchJwt, value, lines } = observed()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  open('FetchX509SVID')
  workload.endStreams('the agent is shutting down')
  assert.equal(lines.length, 0)
  jwtSvids.onFetch = () => Promise.reject(new TypeError('a fault'))
  await assert.rejects(fetchJwt(['a']), { details: 'internal error' })
  assert.equal(await value('calls_total{rpc="FetchJWTSVID",code="INTERNAL"}'), 1)
  assert.match(lines[0] ?? '', /"level":"error"/)
})

test('no line of the log holds a key or a token, whatever is logged', async () => {
  const { caller, identities, open, fetchJwt, lines } = observed('trace')
  caller.matches(WEB)
  identities.set(WEB, 'one')
  open('FetchX509SVID').cancel()
  await fetchJwt(['a'])
  assert(lines.length >= 3)
  for (const line of lines) assert.doesNotMatch(line, /key one|for a/)
})
