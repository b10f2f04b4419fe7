import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { createHealth } from '../../../src/telemetry/health.ts'
import type { HealthCheck } from '../../../src/telemetry/health.ts'
import { createManualClock, settle } from '../../fakes/clock.ts'

const BOTH = ['live', 'ready'] as const

function check(
  name: string,
  run: HealthCheck['run'],
  probes: HealthCheck['probes'] = BOTH,
): HealthCheck {
  return { name, probes, run }
}

test('createHealth() answers with every check of the probe that was asked', async () => {
  const health = createHealth({
    clock: createManualClock(),
    deadlineMs: 1000,
    checks: [
      check('socket', async () => undefined),
      check('authority', async () => 'active for 23h', ['ready']),
    ],
  })
  assert.deepEqual(await health.live(), {
    ok: true,
    checks: [{ name: 'socket', ok: true, detail: '', ms: 0 }],
  })
  assert.deepEqual(
    (await health.ready()).checks.map(({ name, detail }) => [name, detail]),
    [
      ['socket', ''],
      ['authority', 'active for 23h'],
    ],
  )
})

test('createHealth() is not ok when one check fails, and says why without the text of foreign errors', async () => {
  const health = createHealth({
    clock: createManualClock(),
    deadlineMs: 1000,
    checks: [
      check('entries', () =>
        Promise.reject(new SpindleError('not_ready', 'entries are not loaded')),
      ),
      check('foreign', () => {
        throw new Error('secret text')
      }),
      check('fine', async () => undefined),
    ],
  })
  const { ok, checks } = await health.ready()
  assert.equal(ok, false)
  assert.deepEqual(
    checks.map((one) => [one.ok, one.detail]),
    [
      [false, 'entries are not loaded'],
      [false, 'internal'],
      [true, ''],
    ],
  )
  // A check that throws at once is asked again by the next probe.
  assert.equal((await health.ready()).ok, false)
})

test('createHealth() runs checks at once and answers by the deadline', async () => {
  const clock = createManualClock()
  const never = (): Promise<undefined> => new Promise(() => {})
  const slow = (): Promise<string> =>
    new Promise((resolve) => clock.after(300, () => resolve('slow')))
  const health = createHealth({
    clock,
    deadlineMs: 500,
    checks: [check('hangs', never), check('hangs too', never), check('slow', slow)],
  })
  const answer = health.ready()
  await clock.advance(500)
  assert.deepEqual(await answer, {
    ok: false,
    checks: [
      { name: 'hangs', ok: false, detail: 'no answer within 500 ms', ms: 500 },
      { name: 'hangs too', ok: false, detail: 'no answer within 500 ms', ms: 500 },
      { name: 'slow', ok: true, detail: 'slow', ms: 500 },
    ].map((one) => (one.name === 'slow' ? { ...one, ms: 300 } : one)),
  })
  assert.equal(clock.pending, 0)
})

test('createHealth() never has one check running twice', async () => {
  const clock = createManualClock()
  let started = 0
  let release: (() => void) | undefined
  const health = createHealth({
    clock,
    deadlineMs: 500,
    checks: [
      check('hangs', () => {
        started++
        return new Promise((resolve) => {
          release = () => resolve(undefined)
        })
      }),
    ],
  })
  for (let probe = 0; probe < 3; probe++) {
    const answer = health.live()
    await clock.advance(500)
    assert.equal((await answer).ok, false)
  }
  assert.equal(started, 1)
  release!()
  await settle()
  const answer = health.live()
  await settle()
  release!()
  assert.equal((await answer).ok, true)
  assert.equal(started, 2)
})
