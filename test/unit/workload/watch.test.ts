// WT-16, WT-17 of docs/conformance.md.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ErrorCode } from '../../../src/runtime/errors.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import type { WatchFault } from '../../../src/workload/watch.ts'
import { watchStream } from '../../../src/workload/watch.ts'
import { createManualClock, settle } from '../../fakes/clock.ts'
import { createScriptedRandom } from '../../fakes/random.ts'

/** What a stream does: numbers are messages, codes are the server's errors, the pause is in ms. */
type Script = readonly (number | ErrorCode | { readonly ms: number })[]

/** A watch over streams that do as they are told; the last one is repeated. The wait is the longest of its jitter. */
function watching(...scripts: readonly Script[]) {
  const clock = createManualClock()
  const opened: number[] = []
  const updates: number[] = []
  const faults: WatchFault[] = []
  const end = new AbortController()
  const stream = {
    shown: 'agent',
    read(message: number) {
      if (message < 0) throw new SpindleError('agent_failed', 'negative')
      return message
    },
    async *open(signal: AbortSignal) {
      const script = scripts[Math.min(opened.push(clock.monotonic()), scripts.length) - 1] ?? []
      for (const step of script) {
        if (typeof step === 'number') yield step
        else if (typeof step === 'string') throw new SpindleError(step, step)
        else
          await new Promise<void>((resolve) => {
            clock.after(step.ms, resolve)
            signal.addEventListener('abort', () => resolve())
          })
        if (signal.aborted) return
      }
    },
  }
  const done = watchStream(
    stream,
    {
      signal: end.signal,
      onUpdate: (update) => void updates.push(update),
      onFault: (fault) => void faults.push(fault),
    },
    {
      clock,
      random: createScriptedRandom(1 - 2 ** -20),
      firstMessageMs: 1_000,
      backoff: { baseMs: 100, maxMs: 800 },
    },
  )
  return { clock, opened, updates, faults, end: () => end.abort(), done }
}

const LONG = { ms: 60_000 }

test('watchStream() opens a stream that ended at once, the first time', async () => {
  const watch = watching([1, LONG, 'unreachable'], [2, { ms: 2 ** 30 }])
  await watch.clock.advance(60_000)
  assert.deepEqual(watch.opened, [0, 60_000])
  assert.deepEqual(watch.updates, [1, 2])
  assert.equal(watch.faults[0]?.retryInMs, 0)
  watch.end()
  await watch.done
})

test('watchStream() waits ever longer for an agent that does not answer, up to the limit', async () => {
  const watch = watching(['unreachable'])
  await watch.clock.advance(4_000)
  assert.deepEqual(watch.opened, [0, 100, 300, 700, 1_500, 2_300, 3_100, 3_900])
  watch.end()
  await watch.done
})

test('watchStream() does not spin on an agent that answers and ends each stream', async () => {
  const watch = watching([1])
  await watch.clock.advance(2_000)
  assert.deepEqual(watch.opened, [0, 0, 200, 600, 1_400])
  assert.match(watch.faults[0]?.error.message ?? '', /agent ended the stream/)
  watch.end()
  await watch.done
})

test('watchStream() starts from the shortest wait again after a stream that held', async () => {
  const watch = watching(
    ['unreachable'],
    ['unreachable'],
    [1, LONG, 'unreachable'],
    ['unreachable'],
    [2, { ms: 2 ** 30 }],
  )
  await watch.clock.advance(70_000)
  assert.deepEqual(watch.opened, [0, 100, 300, 60_300, 60_500])
  watch.end()
  await watch.done
})

test('watchStream() waits before it asks an agent that says no, or not yet, however long it had held', async () => {
  for (const code of ['no_identity', 'not_ready', 'limit_reached'] as const) {
    const watch = watching([1, LONG, code], [2, { ms: 2 ** 30 }])
    await watch.clock.advance(61_000)
    assert.deepEqual(watch.opened, [0, 60_100], code)
    assert.equal(watch.faults[0]?.isDenied, code === 'no_identity')
    watch.end()
    await watch.done
  }
})

test('watchStream() ends with what asking again cannot change', async () => {
  for (const code of ['request_invalid', 'unsupported'] as const) {
    const watch = watching([1, code])
    await assert.rejects(watch.done, { code })
    assert.equal(watch.opened.length, 1)
  }
})

test('watchStream() discards a message that cannot be read, and goes on', async () => {
  const watch = watching([1, -1, 2, { ms: 2 ** 30 }])
  await settle()
  assert.deepEqual(watch.updates, [1, 2])
  assert.deepEqual(
    watch.faults.map(({ error, retryInMs }) => [error.code, retryInMs]),
    [['agent_failed', undefined]],
  )
  watch.end()
  await watch.done
})

test('watchStream() gives the first message a second here, and those after it all the time they want', async () => {
  const watch = watching([{ ms: 1_001 }, 1], [2, { ms: 3_600_000 }, 3, { ms: 2 ** 30 }])
  await watch.clock.advance(4_000_000)
  assert.deepEqual(watch.opened, [0, 1_100])
  assert.deepEqual(watch.updates, [2, 3])
  assert.match(watch.faults[0]?.error.message ?? '', /nothing within 1000 ms/)
  watch.end()
  await watch.done
})

test('watchStream() ends while it waits, and leaves no timer', async () => {
  const watch = watching(['unreachable'])
  await settle()
  assert.equal(watch.clock.pending, 1)
  watch.end()
  await watch.done
  assert.equal(watch.clock.pending, 0)
})
