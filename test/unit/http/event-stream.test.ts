import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { createEventStreams } from '../../../src/http/event-stream.ts'
import { createTimeline } from '../../../src/telemetry/timeline.ts'
import { createManualClock } from '../../fakes/clock.ts'

const MOMENT_MS = 100
const HEARTBEAT_MS = 5_000

/** What the agent writes to, which a test reads or does not. */
class FakeResponse extends EventEmitter {
  writableLength = 0
  destroyed = false
  isRead = true
  text = ''

  writeHead(): this {
    return this
  }

  write(text: string): boolean {
    this.text += text
    if (!this.isRead) this.writableLength += text.length
    return true
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

function setting() {
  const clock = createManualClock()
  const timeline = createTimeline(clock)
  const streams = createEventStreams({ timeline, clock })
  const join = (isRead = true): FakeResponse => {
    const response = new FakeResponse()
    response.isRead = isRead
    streams.open(response as unknown as ServerResponse, {}, 0)
    return response
  }
  const happen = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      timeline.add({ kind: 'issued', subject: `${n}${'x'.repeat(512)}` })
      if (n % 20 === 19) await clock.advance(MOMENT_MS)
    }
    await clock.advance(MOMENT_MS)
  }
  return { clock, join, happen }
}

test('createEventStreams() hangs up on a client whose queue grows, before any heartbeat', async () => {
  const { join, happen } = setting()
  const [slow, good] = [join(), join()]
  slow.isRead = false
  slow.writableLength = 2 ** 21 - 1_000
  await happen(1)
  assert.equal(slow.destroyed, false)
  await happen(1)
  assert.equal(slow.destroyed, true)
  await happen(1)
  assert.equal(good.text.match(/^id: /gm)?.length, 3)
  assert.equal(slow.text.match(/^id: /gm)?.length, 2)
})

test('createEventStreams() hangs up on a client that has read nothing from one heartbeat to the next', async () => {
  const { clock, join } = setting()
  const [slow, late, good] = [join(), join(), join()]
  slow.isRead = late.isRead = false
  slow.writableLength = late.writableLength = 1
  await clock.advance(HEARTBEAT_MS)
  assert.equal(slow.destroyed, false)
  late.writableLength = 0
  await clock.advance(HEARTBEAT_MS)
  assert.deepEqual([slow.destroyed, late.destroyed, good.destroyed], [true, false, false])
  assert.equal(good.text.match(/^:$/gm)?.length, 2)
})

test('createEventStreams() has room at its longest for the whole timeline', async () => {
  const { join, happen } = setting()
  await happen(600)
  const late = join(false)
  assert.equal(late.text.match(/^id: /gm)?.length, 500)
  assert.equal(late.destroyed, false)
})
