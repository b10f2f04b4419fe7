import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor, within } from '../../../../src/cli/demo/wait.ts'
import { createManualClock } from '../../../fakes/clock.ts'

test('waitFor() looks until there is something, and takes what is thrown for "not yet"', async () => {
  const clock = createManualClock()
  let looks = 0
  const look = async (): Promise<string | undefined> => {
    looks += 1
    if (looks === 1) throw new Error('refused')
    return looks === 3 ? 'found' : undefined
  }
  const found = waitFor('it', look, { clock, signal: new AbortController().signal, withinMs: 100 })
  await clock.advance(50)
  assert.equal(await found, 'found')
  assert.equal(looks, 3)
})

test('waitFor() says at its deadline what it waited for and what it last got', async () => {
  const clock = createManualClock()
  const signal = new AbortController().signal
  const refuse = async (): Promise<undefined> => {
    throw new Error('503 no')
  }
  const waiting = assert.rejects(
    waitFor('OK for client', refuse, { clock, signal, withinMs: 2000 }),
    {
      message: 'waited 2 s in vain for OK for client: 503 no',
    },
  )
  await clock.advance(2010)
  await waiting
})

test('waitFor() stops looking once the demo is to end', async () => {
  const clock = createManualClock()
  const interrupt = new AbortController()
  let looks = 0
  const look = async (): Promise<undefined> => void (looks += 1)
  const options = { clock, signal: interrupt.signal, withinMs: 60_000 }
  const waiting = assert.rejects(waitFor('it', look, options), /SIGINT/)
  await clock.advance(20)
  interrupt.abort(new Error('SIGINT'))
  await clock.advance(20)
  await waiting
  const seen = looks
  await clock.advance(100)
  assert.equal(looks, seen)
})

test('within() gives what came in time and leaves no timer', async () => {
  const clock = createManualClock()
  const signal = new AbortController().signal
  const got = await within('it', Promise.resolve(7), { clock, signal, withinMs: 10 })
  assert.deepEqual([got, clock.pending], [7, 0])
})

test('within() rejects at its deadline, and when the demo is to end', async () => {
  const clock = createManualClock()
  const interrupt = new AbortController()
  const options = { clock, signal: interrupt.signal, withinMs: 1500 }
  const never = new Promise<never>(() => undefined)
  const late = assert.rejects(within('an alert', never, options), {
    message: 'waited 1.5 s in vain for an alert',
  })
  await clock.advance(1500)
  await late
  const interrupted = assert.rejects(within('an alert', never, options), /SIGTERM/)
  interrupt.abort(new Error('SIGTERM'))
  await interrupted
})

test('within() of a demo that is to end hears what its promise rejects with later', async () => {
  const signal = AbortSignal.abort(new Error('SIGTERM'))
  const { promise, reject } = Promise.withResolvers<never>()
  const options = { clock: createManualClock(), signal, withinMs: 10 }
  await assert.rejects(within('it', promise, options), /SIGTERM/)
  // Would end this test as an unhandled rejection.
  reject(new Error('closed'))
  await new Promise((resolve) => setImmediate(resolve))
})
