import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { ServiceError } from '@grpc/grpc-js'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { SpindleError } from '../../../../../src/runtime/errors.ts'
import type { NodeAttestor } from '../../../../../src/server/enroll/attest/attestor.ts'
import { AttestSteps } from '../../../../../src/server/serve/agent/steps.ts'
import type { AttestCall } from '../../../../../src/server/serve/agent/steps.ts'
import { Unreadable } from '../../../../../src/wire/service.ts'
import type { WordedStatus } from '../../../../../src/wire/status.ts'
import { createManualClock, settle } from '../../../../fakes/clock.ts'
import { believing } from './believing.ts'
import { csr, setUp, when } from './setting.ts'

test('a node that says nothing, or goes, is waited for no longer than a step takes', async (t) => {
  const { open, clock, audited, store } = await setUp(t, { attestors: () => [believing()] })
  const method = Agent.method.attestAgent
  const idle = clock.pending
  const endOf = (call: ReturnType<typeof open<typeof method.input, typeof method.output>>) =>
    new Promise<ServiceError>((resolve) => call.on('error', resolve))

  const silent = open(method)
  const silence = endOf(silent)
  await when(() => clock.pending > idle)
  await clock.advance(30_000)
  assert.equal((await silence).code, 4)

  const short = open(method)
  const shortly = endOf(short)
  short.end()
  assert.deepEqual(
    [(await shortly).code, (await shortly).details],
    [3, 'failed to receive request from stream: EOF'],
  )

  const params = { data: { type: 'fake', payload: Buffer.from('xy') }, params: { csr } }
  const halfway = open(method)
  const half = endOf(halfway)
  halfway.on('data', () => halfway.end())
  halfway.write({ step: { case: 'params', value: params } })
  assert.deepEqual(
    [(await half).code, (await half).details],
    [13, 'failed to receive challenge from agent: EOF'],
  )

  audited()
  const cancelled = open(method)
  const end = endOf(cancelled)
  cancelled.on('data', () => cancelled.cancel())
  cancelled.write({ step: { case: 'params', value: params } })
  assert.equal((await end).code, 1)
  await when(() => clock.pending === idle)
  assert.deepEqual(audited(), [])
  assert.equal(await store.agents.count({}), 0)
})

test('a node that goes while it stands in line leaves its place, and no turn is lost', async (t) => {
  const { attest, open, become, clock, audited } = await setUp(t, {
    attestors: () => [believing()],
    more: { attestationsPerSecond: 1 },
  })
  become({ kind: 'remote', address: '10.0.0.1', svid: undefined })
  await attest('fake', 'x')
  const idle = clock.pending
  const leaving = open(Agent.method.attestAgent)
  const end = new Promise<ServiceError>((resolve) => leaving.on('error', resolve))
  await when(() => clock.pending > idle)
  audited()
  leaving.cancel()
  assert.equal((await end).code, 1)
  await when(() => clock.pending === idle)
  assert.deepEqual(audited(), [])
  const next = attest('fake', 'y')
  await when(() => clock.pending > idle)
  await clock.advance(1_000)
  await next
})

test('a node that has gone when its SVID is signed is no agent, and may come again', async (t) => {
  const attestor = believing({ firstUse: true })
  const { attest, open, signer, store, clock } = await setUp(t, { attestors: () => [attestor] })
  const idle = clock.pending
  const call = open(Agent.method.attestAgent)
  const end = new Promise<ServiceError>((resolve) => call.on('error', resolve))
  call.on('data', () => undefined)
  signer.before = async () => {
    call.cancel()
    await end
    await settle()
  }
  const params = { data: { type: 'fake', payload: Buffer.from('x') }, params: { csr } }
  call.write({ step: { case: 'params', value: params } })
  await end
  await when(() => signer.signed === 1 && clock.pending === idle)
  await settle()
  assert.equal(await store.agents.count({}), 0)
  signer.before = undefined
  await attest('fake', 'x')
})

test('the attestor hears that nobody waits for it any more', { timeout: 20_000 }, async (t) => {
  const aborted = Promise.withResolvers<void>()
  const attestor: NodeAttestor = {
    type: 'fake',
    async attest(_payload, challenge, { signal }) {
      signal.addEventListener('abort', () => aborted.resolve())
      await challenge(Buffer.of(1)).catch(() => undefined)
      await aborted.promise
      throw new SpindleError('internal', 'unseen')
    },
  }
  const { open } = await setUp(t, { attestors: () => [attestor] })
  const call = open(Agent.method.attestAgent)
  call.on('error', () => undefined)
  call.on('data', () => call.cancel())
  const params = { data: { type: 'fake', payload: Buffer.from('x') }, params: { csr } }
  call.write({ step: { case: 'params', value: params } })
  await aborted.promise
})

test('endStreams ends the calls that wait for a node', async (t) => {
  const { open, service, clock } = await setUp(t)
  const idle = clock.pending
  const call = open(Agent.method.attestAgent)
  const end = new Promise<ServiceError>((resolve) => call.on('error', resolve))
  call.on('data', () => undefined)
  await when(() => clock.pending > idle)
  service.endStreams('the server is shutting down')
  assert.deepEqual(
    [(await end).code, (await end).details],
    [14, 'not_ready: the server is shutting down'],
  )
})

test('nothing of a node is read before it is its turn', async (t) => {
  const stream = new PassThrough({ objectMode: true })
  const steps = new AttestSteps(stream as unknown as AttestCall, createManualClock())
  stream.write('the first')
  await settle()
  assert.equal(stream.readableLength, 1)
  const message = await steps.next({ code: 3, what: 'nothing' })
  assert.equal(message as unknown, 'the first')

  // As much as a message may have, while another is waited for.
  const { attest, open, become, clock } = await setUp(t, {
    attestors: () => [believing()],
    more: { attestationsPerSecond: 1 },
  })
  become({ kind: 'remote', address: '10.0.0.1', svid: undefined })
  await attest('fake', 'x')
  const idle = clock.pending
  const call = open(Agent.method.attestAgent)
  const end = new Promise<ServiceError>((resolve) => call.on('error', resolve))
  const params = { data: { type: 'none', payload: Buffer.alloc(3_000_000) }, params: { csr } }
  call.write({ step: { case: 'params', value: params } })
  await when(() => clock.pending > idle)
  await clock.advance(1_000)
  assert.equal((await end).code, 9)
})

test('what a node sends unasked is left in the connection', async () => {
  const counts = { paused: 0, resumed: 0 }
  const call = Object.assign(new EventEmitter(), {
    pause: () => void counts.paused++,
    resume: () => void counts.resumed++,
  })
  const steps = new AttestSteps(call as unknown as AttestCall, createManualClock())
  call.emit('data', new Unreadable())
  assert.deepEqual(counts, { paused: 2, resumed: 0 })
  const lost = { code: 3, what: 'nothing' }
  await assert.rejects(steps.next(lost), { code: 'request_invalid' })
  const ended = steps.next(lost).catch((thrown: WordedStatus) => thrown.status.details)
  assert.equal(counts.resumed, 1)
  call.emit('end')
  assert.equal(await ended, 'nothing: EOF')
})
