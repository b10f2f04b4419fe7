/** R05: an authority that is away for 0.9 of the life of what it signed, and then back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR, MINUTE } from '../unit/agent/obtain/setting.ts'
import { inTime } from './in-time.ts'

const IDENTITIES = 60

test('R05: while the authority is away all is served on; when it is back, renewals are spread and nothing was missed', async (t) => {
  const made = await inTime(t, IDENTITIES)
  const { served, stream } = made
  const before = stream.received.length
  made.away = true
  await made.pass(0.9 * HOUR)
  assert.equal(served.identities.current().length, IDENTITIES)
  assert.equal(stream.received.length, before, 'nothing is sent for want of something new')
  assert.equal(stream.ended, undefined)
  assert.equal(served.events.filter(({ kind }) => kind === 'expired').length, 0)
  const failures = served.events.filter(({ kind }) => kind === 'failed')
  assert(failures.length >= IDENTITIES, 'each was tried')

  const told = served.events.length
  made.away = false
  const perFiveSeconds: number[] = []
  for (let issued = 0; issued < IDENTITIES && perFiveSeconds.length < 20;) {
    await made.pass(5_000, 500)
    const now = served.events.slice(told).filter(({ kind }) => kind === 'issued').length
    perFiveSeconds.push(now - issued)
    issued = now
  }
  t.diagnostic(`issued in each 5 s once it was back: ${perFiveSeconds.join(' ')}`)
  const mean = IDENTITIES / perFiveSeconds.length
  assert(perFiveSeconds.length >= 3, 'not all at once')
  // Retries are at most 30 s apart.
  assert(perFiveSeconds.length <= 7, 'none waits for long')
  assert(Math.max(...perFiveSeconds) <= 2 * mean + 3, 'no burst')
  await made.arrived()
  await made.pass(2 * HOUR, MINUTE)
  await made.arrived()
  assert.equal(served.events.filter(({ kind }) => kind === 'expired').length, 0)
})
