import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { Unreadable } from '../../../../src/wire/service.ts'
import { settle } from '../../../fakes/clock.ts'
import { entry } from '../obtain/setting.ts'
import { setUp } from './setting.ts'

const WEB = entry('web')

test('a message that cannot be decoded ends its stream, and nothing is sent on it any more', async () => {
  const { caller, identities, open, events, sds } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open()
  call.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  call.ack()
  call.emit('data', new Unreadable())
  assert.equal(call.status?.code, status.INVALID_ARGUMENT)
  assert.equal(sds.streams.size, 0)
  identities.set(WEB, 'two')
  await settle()
  assert.deepEqual(call.said, ['chain one'])
  assert.deepEqual(events.slice(-2), ['refused request_invalid', 'closed'])
})
