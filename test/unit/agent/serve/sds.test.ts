import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { createSecrets } from '../../../../src/agent/serve/secrets.ts'
import { settle } from '../../../fakes/clock.ts'
import { entry } from '../obtain/setting.ts'
import { setUp } from './setting.ts'

const WEB = entry('web')

test('what goes wrong within Spindle ends that stream alone, and is told', async () => {
  const { caller, identities, open, events } = setUp({
    secrets: {
      ...createSecrets(),
      svid() {
        throw new TypeError('no such thing')
      },
    },
  })
  caller.matches(WEB)
  const [bad, waiting, good] = [open(), open(), open()]
  waiting.say({ resourceNamesSubscribe: ['default'] })
  identities.set(WEB, 'one')
  await settle()
  bad.say({ resourceNamesSubscribe: ['default'] })
  for (const call of [bad, waiting]) {
    assert.equal(call.status?.code, status.INTERNAL)
    assert.doesNotMatch(call.status.details, /no such thing/)
  }
  assert.deepEqual(
    events.filter((event) => event.startsWith('refused')),
    ['refused internal', 'refused internal'],
  )
  good.say({ resourceNamesSubscribe: ['ROOTCA'] })
  assert.deepEqual(good.said, ['root'])
})

test('what a client works with is what it acknowledged, until it gives the name up', async () => {
  const { caller, clock, identities, open, sds } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open()
  call.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  const heldUntil = () =>
    Array.from(sds.streams, (stream) => stream.held().find(({ name }) => name === 'default'))[0]
      ?.heldUntil
  assert.deepEqual(sds.holding(), { svid: 0, bundle: 0 }, 'it has not answered')
  call.ack()
  call.say({ resourceNamesSubscribe: ['ROOTCA'] })
  await settle()
  call.ack()
  assert.deepEqual(sds.holding(), { svid: 1, bundle: 1 })
  const until = heldUntil()
  assert(until !== undefined && until > clock.now() + 1_000)
  identities.set(WEB, 'two', clock.now() + 1_000)
  await settle()
  call.nack('Failed to load certificate chain')
  assert.equal(heldUntil(), until, 'a rejected one changes nothing of it')
  assert.deepEqual(sds.holding(), { svid: 1, bundle: 1 })
  call.say({ resourceNamesUnsubscribe: ['default'] })
  assert.deepEqual(sds.holding(), { svid: 0, bundle: 1 })
  call.emit('cancelled')
  assert.deepEqual(sds.holding(), { svid: 0, bundle: 0 })
})
