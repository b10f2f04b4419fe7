import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TimelineEvent } from '../../../src/telemetry/timeline.ts'
import { createTimeline } from '../../../src/telemetry/timeline.ts'
import { createManualClock } from '../../fakes/clock.ts'

const MOMENT_MS = 100

test('add() makes one event with a count of what happens many times in one moment', async () => {
  const clock = createManualClock()
  const timeline = createTimeline(clock)
  const heard: TimelineEvent[] = []
  timeline.subscribe((events) => heard.push(...events))
  const start = clock.now()
  for (const pid of [1, 2, 3]) timeline.add({ kind: 'pushed', subject: 'default', pid })
  timeline.add({ kind: 'pushed', subject: 'ROOTCA', pid: 1 })
  timeline.add({ kind: 'rejected', subject: 'default', detail: 'ocsp', pid: 2 })
  assert.deepEqual(heard, [])
  await clock.advance(MOMENT_MS)
  timeline.add({ kind: 'pushed', subject: 'default', pid: 1 })
  await clock.advance(MOMENT_MS)
  assert.deepEqual(heard, [
    { id: 1, at: start, kind: 'pushed', subject: 'default', detail: '', count: 3 },
    { id: 2, at: start, kind: 'pushed', subject: 'ROOTCA', detail: '', count: 1, pid: 1 },
    { id: 3, at: start, kind: 'rejected', subject: 'default', detail: 'ocsp', count: 1, pid: 2 },
    { id: 4, at: start + 100, kind: 'pushed', subject: 'default', detail: '', count: 1, pid: 1 },
  ])
  assert.equal(clock.pending, 0, 'a timer runs while nothing happens')
})

test('add() keeps what is rare from being pushed out by what is many', async () => {
  const clock = createManualClock()
  const timeline = createTimeline(clock)
  timeline.add({ kind: 'authority', subject: 'ca', detail: 'activated' })
  for (let n = 0; n < 5_000; n++)
    timeline.add({ kind: 'pushed', subject: `spiffe://example.org/${n}`, pid: n, notAfter: n })
  await clock.advance(MOMENT_MS)
  const events = timeline.since(0)
  assert.equal(events.length, 22)
  assert.equal(events[0]?.detail, 'activated')
  const { subject, count, pid, notAfter } = events.at(-1)!
  assert.deepEqual([subject, count, pid, notAfter], ['others', 4_980, undefined, undefined])
})

test('since() gives what came after an event, of the last 500, and all where the event is not known', async () => {
  const clock = createManualClock()
  const timeline = createTimeline(clock)
  for (let n = 0; n < 600; n++) {
    timeline.add({ kind: 'issued', subject: String(n) })
    await clock.advance(MOMENT_MS)
  }
  const ids = timeline.since(0).map(({ id }) => id)
  assert.deepEqual([ids.length, ids[0], ids.at(-1)], [500, 101, 600])
  assert.deepEqual(
    timeline.since(598).map(({ id }) => id),
    [599, 600],
  )
  assert.equal(timeline.since(600).length, 0)
  assert.equal(timeline.since(90_000).length, 500, 'an id of the agent before this one')
})

test('add() keeps no text that is long, moves the cursor or holds a key', async () => {
  const clock = createManualClock()
  const timeline = createTimeline(clock)
  timeline.add({ kind: 'unanswered', subject: 'a\u001b[2Jb' })
  timeline.add({ kind: 'refused', subject: 'x', detail: '-----BEGIN PRIVATE KEY-----\nMIG' })
  timeline.add({ kind: 'bundle', subject: 's'.repeat(9_000), detail: 'd'.repeat(9_000) })
  await clock.advance(MOMENT_MS)
  assert.deepEqual(
    timeline.since(0).map(({ subject, detail }) => [subject, detail]),
    [
      ['a?[2Jb', ''],
      ['x', '[redacted: private key]'],
      ['s'.repeat(512), 'd'.repeat(256)],
    ],
  )
})

test('close() ends what waits, and nobody hears more', async () => {
  const clock = createManualClock()
  const timeline = createTimeline(clock)
  timeline.subscribe(() => assert.fail('told after the end'))
  timeline.add({ kind: 'clock', subject: 'clock' })
  timeline.close()
  assert.equal(clock.pending, 0)
  await clock.advance(MOMENT_MS)
})
