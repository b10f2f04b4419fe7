import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle } from '../../../fakes/clock.ts'
import { entry } from '../obtain/setting.ts'
import { setUp } from './setting.ts'

const WEB = entry('web')

/** A caller with an identity, and a stream of it that was sent its certificate. */
async function serving() {
  const setting = setUp()
  setting.caller.matches(WEB)
  setting.identities.set(WEB, 'one')
  const call = setting.open()
  call.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  const rotate = async (label: string): Promise<void> => {
    setting.identities.set(WEB, label)
    await settle()
  }
  return { ...setting, call, rotate }
}

test('what a look at the process finds another program in is not given what was due to the one before', async () => {
  const { call, rotate, caller } = await serving()
  call.ack()
  caller.onCheck = () => caller.isUndecided('it executed another program')
  await rotate('two')
  call.say({ resourceNamesSubscribe: ['default', 'ROOTCA'] })
  await settle()
  assert.deepEqual(call.said, ['chain one'])
})

test('a process is looked at before anything is given or asked for, and not when it has all and says so', async () => {
  let looks = 0
  const { call, rotate, caller } = await serving()
  caller.onCheck = () => (looks += 1)
  const looksFor = async (run: () => unknown): Promise<number> => {
    looks = 0
    await run()
    return looks
  }
  assert.equal(await looksFor(() => call.ack()), 0)
  assert.equal(await looksFor(() => rotate('two')), 1)
  await rotate('three')
  assert.equal(await looksFor(() => call.ack()), 1, 'the next is due')
  assert.equal(await looksFor(() => call.nack('no')), 1)
  const ask = { resourceNamesSubscribe: ['unknown'] }
  assert.equal(await looksFor(() => call.say(ask)), 1)
  const responseNonce = call.responses.at(-1)?.nonce ?? ''
  const both = { responseNonce, resourceNamesSubscribe: ['later'] }
  assert.equal(await looksFor(() => call.say(both)), 1, 'it acknowledges and asks')
})
