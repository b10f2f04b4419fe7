import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createItem } from '../../../src/files/item.ts'
import { keepToken } from '../../../src/files/tokens.ts'
import { createManualClock, settle } from '../../fakes/clock.ts'
import { createScriptedRandom } from '../../fakes/random.ts'
import { config, createFakeSource, createLines, fault, jwt } from './setting.ts'

const MINUTE = 60_000

function setting() {
  const clock = createManualClock()
  const { log, lines } = createLines(clock)
  const client = createFakeSource()
  const random = createScriptedRandom(0.5)
  const written: string[] = []
  const item = createItem('jwt[0]', { clock, random, log, changed: () => undefined })
  const [one] = config('/x', 'jwt: [{ audience: [vault], file: t }]').jwt
  const start = () =>
    keepToken(item, {
      client,
      config: one!,
      clock,
      random,
      write(token) {
        const isNew = written.at(-1) !== token
        if (isNew) written.push(token)
        return isNew
      },
    })
  const token = (name: string, ageMs = 0) => {
    const issuedAt = clock.now() - ageMs
    client.token = jwt(name, { issuedAt, expiresAt: issuedAt + 10 * MINUTE })
  }
  return { clock, client, item, lines, written, start, token }
}

test('a token is fetched at once, and again around half of its life', async () => {
  const { clock, client, written, start, token } = setting()
  token('one')
  const stop = start()
  await settle()
  assert.deepEqual(written, ['one'])
  await clock.advance(5 * MINUTE - 1_000)
  assert.equal(client.fetches, 1)
  token('two')
  await clock.advance(2_000)
  assert.deepEqual(written, ['one', 'two'])
  stop()
  assert.equal(clock.pending, 1, 'the item watches for the expiry')
})

test('a token that is past its half when it comes is asked for again soon, until there is another', async () => {
  const { clock, client, written, start, token } = setting()
  token('one', 6 * MINUTE)
  const stop = start()
  await settle()
  // Four minutes are left: asked again after a tenth of them, then of what is left then.
  await clock.advance(30_000)
  assert.equal(client.fetches, 2)
  await clock.advance(2 * MINUTE)
  assert(client.fetches > 5 && client.fetches < 20, `${client.fetches}`)
  token('two')
  await clock.advance(MINUTE)
  assert.deepEqual(written, ['one', 'two'])
  stop()
})

test('a fetch that fails is tried again within what is left of the life, and the file stays', async () => {
  const { clock, client, item, lines, written, start, token } = setting()
  token('one')
  const stop = start()
  await settle()
  client.token = fault('unreachable')
  await clock.advance(9 * MINUTE)
  assert(client.fetches > 5 && client.fetches < 40, `${client.fetches}`)
  assert.deepEqual(written, ['one'])
  assert.equal(item.state.current.fault?.code, 'unreachable')
  token('two')
  await clock.advance(40_000)
  assert.deepEqual(written, ['one', 'two'])
  assert.equal(item.state.current.fault, undefined)
  assert.equal(lines.filter((line) => line.startsWith('warn')).length, 1)
  stop()
})

test('a clock that is set forward is noticed within half a minute', async () => {
  const { clock, written, start, token } = setting()
  token('one')
  const stop = start()
  await settle()
  clock.jump(8 * MINUTE)
  token('two')
  await clock.advance(30_000)
  assert.deepEqual(written, ['one', 'two'])
  stop()
})

test('nothing is fetched after it was ended', async () => {
  const { clock, client, written, start, token } = setting()
  token('one')
  start()()
  await settle()
  await clock.advance(60 * MINUTE)
  assert.equal(client.fetches, 1)
  assert.deepEqual(written, [])
})

test('a token that has expired is asked for ever less often, as one that never came', async () => {
  const { clock, client, start, token } = setting()
  token('one')
  const stop = start()
  await settle()
  client.token = fault('unreachable')
  await clock.advance(10 * MINUTE)
  const before = client.fetches
  await clock.advance(10 * MINUTE)
  assert(client.fetches - before < 40, `${client.fetches - before} in ten minutes`)
  assert(client.fetches - before > 15)
  stop()
})
