import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { settle } from '../../../fakes/clock.ts'
import { createFakeCaller } from '../../../fakes/caller.ts'
import { entry } from '../obtain/setting.ts'
import { ACK_DEADLINE_MS, OWN, bundleOf, bundlesOf, setUp } from './setting.ts'

const WEB = entry('web')

/** A caller with an identity, and a stream of it that has asked for its certificate. */
async function serving(change: Parameters<typeof setUp>[0] = {}) {
  const setting = setUp(change)
  setting.caller.matches(WEB)
  setting.identities.set(WEB, 'one')
  const call = setting.open()
  call.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  const rotate = async (label: string): Promise<void> => {
    setting.identities.set(WEB, label)
    await settle()
  }
  const held = () => Array.from(setting.sds.streams, (stream) => stream.held()[0]).at(-1)
  return { ...setting, call, rotate, held }
}

test('a stream sends what is asked for, and each change of it once it was acknowledged', async () => {
  const { call, rotate, held, events, clock } = await serving()
  assert.deepEqual(call.said, ['chain one'])
  assert.equal(held()?.status, 'sent')
  await rotate('two')
  assert.deepEqual(call.said, ['chain one'], 'one response in flight')
  await clock.advance(40)
  call.ack()
  assert.deepEqual(call.said, ['chain one', 'chain two'])
  call.ack()
  assert.equal(held()?.status, 'acknowledged')
  await rotate('two')
  assert.deepEqual(call.said, ['chain one', 'chain two'], 'equal content is sent once')
  const sent = ['pushed default first', 'ack after 40', 'pushed default', 'ack after 0']
  assert.deepEqual(events, ['opened', ...sent])
})

test('a stream is told nothing of identities and bundles it does not hold', async () => {
  const { call, identities, bundles } = await serving()
  call.ack()
  identities.set(entry('other'), 'x')
  bundles.set(bundlesOf(bundleOf(OWN, 'root', 'next')))
  await settle()
  assert.deepEqual(call.said, ['chain one'])
})

test('nothing is given to a caller that is not the process that was attested any more', async () => {
  const { call, rotate, caller } = await serving()
  call.ack()
  caller.sound = false
  await rotate('two')
  call.say({ resourceNamesSubscribe: ['ROOTCA'] })
  assert.deepEqual(call.said, ['chain one'])
})

test('nor is it given when an answer is overdue', async () => {
  const { call, rotate, caller, clock } = await serving()
  await rotate('two')
  caller.sound = false
  await clock.advance(10 * ACK_DEADLINE_MS)
  assert.deepEqual(call.said, ['chain one'])
})

test('a name that is undecided is held in silence, one that is absent is removed at once and pushed when it is granted', async () => {
  const setting = setUp()
  const call = setting.open()
  call.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  assert.deepEqual(call.said, [])
  setting.caller.matches()
  await settle()
  assert.deepEqual(call.said, ['removed default'])
  call.ack()
  setting.caller.matches(WEB)
  await settle()
  assert.deepEqual(call.said, ['removed default'], 'its certificate is not there yet')
  setting.identities.set(WEB, 'one')
  await settle()
  assert.deepEqual(call.said, ['removed default', 'chain one'])
  call.ack()
  setting.caller.isUndecided('it executed another program')
  await settle()
  assert.equal(call.responses.length, 2)
  setting.caller.matches()
  await settle()
  assert.deepEqual(call.said.slice(2), ['removed default'], 'once the entry is really gone')
})

test('content a caller rejected is not sent again, on no stream of its process, until it changes', async () => {
  const { call, rotate, held, open, caller, events, sds } = await serving()
  call.nack('Failed to load certificate chain from <inline>: KEY_VALUES_MISMATCH')
  await settle()
  assert.deepEqual([held()?.status, held()?.rejection], ['rejected', 'key_mismatch'])
  assert(events.includes('nack after 0'))
  const second = open()
  const otherConnection = createFakeCaller(caller.connection.peer)
  otherConnection.matches(WEB)
  const third = open(otherConnection)
  const stranger = createFakeCaller({ pid: 8, startTime: '2000' })
  stranger.matches(WEB)
  const fourth = open(stranger)
  for (const stream of [second, third, fourth]) stream.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  assert.deepEqual([call.said, second.said, third.said], [['chain one'], [], []])
  assert.deepEqual(fourth.said, ['chain one'], 'another process has not rejected it')
  await rotate('two')
  assert.deepEqual([second.said, third.said], [['chain two'], ['chain two']])
  assert.deepEqual(call.said, ['chain one', 'chain two'])
  call.ack()
  const [first] = sds.streams
  assert.equal(first?.held()[0]?.rejection, undefined)
})

test('a client that does not read costs one response, and then has the newest state alone', async () => {
  const { call, rotate, clock, events } = await serving()
  call.ack()
  call.blocked = true
  await rotate('two')
  for (const label of ['three', 'four']) {
    await rotate(label)
    await clock.advance(2 * ACK_DEADLINE_MS)
  }
  assert.deepEqual(call.said, ['chain one', 'chain two'])
  assert(!events.includes('unanswered'), 'what has not left cannot have been answered')
  call.blocked = false
  call.flush()
  call.ack()
  await settle()
  assert.deepEqual(call.said, ['chain one', 'chain two', 'chain four'])
})

test('an answer that is overdue no longer holds back what is newer, and is told', async () => {
  const { call, rotate, clock, events, held } = await serving()
  await rotate('two')
  await clock.advance(ACK_DEADLINE_MS - 1)
  assert.deepEqual(call.said, ['chain one'])
  await clock.advance(1)
  assert.deepEqual(call.said, ['chain one', 'chain two'])
  assert(events.includes('unanswered'))
  assert.equal(held()?.status, 'sent')
  call.ack()
  await clock.advance(10 * ACK_DEADLINE_MS)
  assert.equal(events.filter((event) => event === 'unanswered').length, 1)
  assert.equal(clock.pending, 0)
})

test('an answer that comes after its deadline counts, and is not timed', async () => {
  const { call, clock, events, held } = await serving()
  await clock.advance(ACK_DEADLINE_MS)
  assert.equal(held()?.status, 'unanswered')
  call.ack()
  assert.equal(held()?.status, 'acknowledged')
  assert.deepEqual(events.slice(-2), ['unanswered', 'ack'])
})

test('an X.509-SVID that has expired is not sent', async () => {
  const setting = setUp()
  setting.caller.matches(WEB)
  setting.identities.set(WEB, 'one', setting.clock.now() + 1_000)
  const early = setting.open()
  early.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  assert.deepEqual(early.said, ['chain one'])
  await setting.clock.advance(1_000)
  const late = setting.open()
  late.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  assert.deepEqual(late.said, [])
})

test('the node of the first request holds for the stream: it chooses the form of bundles and is shown', async () => {
  const setting = setUp({ validator: 'spiffe' })
  setting.caller.matches(WEB)
  const plain = setting.open()
  plain.say({ resourceNamesSubscribe: ['ROOTCA'] })
  const call = setting.open()
  const metadata = { disable_spiffe_cert_validation: true }
  call.say({ node: { id: 'n\n1', cluster: 'c', metadata }, resourceNamesSubscribe: ['ROOTCA'] })
  await settle()
  const caOf = ({ responses }: typeof call): string | undefined => {
    const type = responses[0]?.secrets[0]?.type
    if (type?.case !== 'validationContext') return undefined
    return type.value.customValidatorConfig === undefined ? 'trusted-ca' : 'spiffe'
  }
  assert.deepEqual([caOf(plain), caOf(call)], ['spiffe', 'trusted-ca'])
  const [, stream] = setting.sds.streams
  assert.deepEqual(stream?.node, { id: 'n?1', cluster: 'c', envoyVersion: '' })
  call.ack()
  call.say({ node: { id: 'another' }, responseNonce: 'n9' })
  assert.equal(stream?.node.id, 'n?1')
})

test('a request at fault ends its stream alone, with the reason', async () => {
  const { call, open, events } = await serving()
  const names = Array.from({ length: 5 }, (_, index) => `name-${index}`)
  const flood = open()
  flood.say({ resourceNamesSubscribe: names })
  assert.equal(flood.status?.code, status.RESOURCE_EXHAUSTED)
  const strange = open()
  strange.say({ typeUrl: 'type.googleapis.com/x' })
  assert.equal(strange.status?.code, status.INVALID_ARGUMENT)
  assert.deepEqual(events.slice(-5), [
    'refused limit_reached',
    'closed',
    'opened',
    'refused request_invalid',
    'closed',
  ])
  strange.say({ resourceNamesSubscribe: ['default'] })
  assert.deepEqual(strange.said, [])
  assert.equal(call.status, undefined)
})

test('sds.unauthorized: close ends a stream that asks for what is absent, and keeps one whose answer is not known yet', async () => {
  const setting = setUp({ unauthorized: 'close' })
  const early = setting.open()
  early.say({ resourceNamesSubscribe: ['default'] })
  await settle()
  assert.deepEqual([early.status], [undefined])
  setting.caller.matches()
  await settle()
  assert.equal(early.status?.code, status.INVALID_ARGUMENT)
  assert.match(early.status.details, /not authorized.*"default"/)
  assert.equal(setting.sds.streams.size, 0)
})

test('a stream that is over is forgotten once, however it ends, and is sent nothing more', async () => {
  for (const [how, ending] of [
    ['cancelled', (call: { emit(name: string): void }) => call.emit('cancelled')],
    ['half-closed', (call: { emit(name: string): void }) => call.emit('end')],
  ] as const) {
    const { call, caller, rotate, events, sds, clock } = await serving()
    ending(call)
    call.emit('cancelled')
    await rotate('two')
    assert.deepEqual(call.said, ['chain one'], how)
    assert.equal(sds.streams.size, 0)
    assert.equal(sds.sidecarOf(caller).followers.size, 0)
    assert.equal(events.filter((event) => event === 'closed').length, 1)
    assert.equal(clock.pending, 0, 'its deadline is not waited for')
    assert.equal(call.ended, how === 'half-closed')
  }
})

test('endStreams() ends each stream with UNAVAILABLE, at which Envoy comes back', async () => {
  const { call, open, sds, rotate } = await serving()
  const silent = open()
  sds.endStreams('the agent is shutting down')
  for (const { status: ended } of [call, silent]) {
    assert.equal(ended?.code, status.UNAVAILABLE)
    assert.match(ended.details, /shutting down/)
  }
  assert.equal(sds.streams.size, 0)
  await rotate('two')
  assert.deepEqual(call.said, ['chain one'])
})

test('a stream is pushed nothing before its first request', async () => {
  const setting = setUp()
  const call = setting.open()
  setting.caller.matches(WEB)
  setting.identities.set(WEB, 'one')
  await settle()
  assert.deepEqual(call.said, [])
})
