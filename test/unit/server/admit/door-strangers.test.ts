/** What those may do who have not shown who they are: hold connections, send, and wait. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createManualClock } from '../../../fakes/clock.ts'
import { closing, raw, setUp } from './door-setting.ts'

for (const [limits, reason] of [
  [{ connectionsPerAddress: 3 }, 'address_limit'],
  [{ connections: 3 }, 'connection_limit'],
] as const)
  test(`Door, where there is no room (${reason}): the oldest stranger makes it, in the handshake or after it, and nobody that is known`, async (t) => {
    const { client, port, tls, refused, refusals, fleet } = await setUp(t, { limits })
    const known = client(await fleet.sign('/known'))
    assert.equal(await known(), fleet.id('/known'))
    const silent = raw(t, port)
    await once(silent, 'connect')
    const idle = tls()
    await once(idle, 'secureConnect')
    const ends = [silent, idle.resume()].map(closing)
    // Each of them would hold its place for 10 s, or for ever by a call now and then.
    const late = client(await fleet.sign('/late'))
    assert.equal(await late(), fleet.id('/late'))
    await ends[0]
    const stranger = client()
    assert.equal(await stranger(), 'anonymous')
    await ends[1]
    assert.deepEqual(
      (await refused(2)).map((one) => [one.reason, one.address]),
      [
        [reason, '127.0.0.1'],
        [reason, '127.0.0.1'],
      ],
    )
    assert.equal(await known(), fleet.id('/known'))
    assert.equal(await client(await fleet.sign('/last'))(), fleet.id('/last'))
    assert.equal(refusals.length, 3)
    // Nobody is left that could make room.
    const over = raw(t, port)
    await closing(over)
    assert.equal(refusals.length, 4)
    assert.deepEqual([await known(), await late()], [fleet.id('/known'), fleet.id('/late')])
  })

test('Door keeps the places of 64 connections of one identity; with more it shuts nobody out', async (t) => {
  const limits = { connections: 70, connectionsPerAddress: 70 }
  const { client, refused, fleet } = await setUp(t, { limits })
  const greedy = await fleet.sign('/greedy')
  for (let at = 0; at < 70; at++) assert.equal(await client(greedy)(), fleet.id('/greedy'))
  const others = Array.from({ length: 6 }, async (_, at) => {
    const call = client(await fleet.sign(`/other${at}`))
    assert.equal(await call(), fleet.id(`/other${at}`))
  })
  await Promise.all(others)
  const reasons = (await refused(6)).map((one) => one.reason)
  assert.deepEqual(reasons, Array(6).fill('address_limit'))
  assert.equal(await client()().catch(() => 'refused'), 'refused')
})

/** A field that nobody knows, of so many bytes. */
function padding(bytes: number): Buffer {
  const length = [(bytes & 0x7f) | 0x80, ((bytes >> 7) & 0x7f) | 0x80, bytes >> 14]
  return Buffer.concat([Buffer.from([0x7a, ...length]), Buffer.alloc(bytes)])
}

test('Door ends the connection of a stranger that sends more than a proof may have, and takes it of who is known', async (t) => {
  const { client, refused, fleet } = await setUp(t)
  const message = padding(200_000)
  assert.equal(await client(await fleet.sign('/known'))(message), fleet.id('/known'))
  assert.equal(await client()(padding(100_000)), 'anonymous')
  const expired = await fleet.sign('/old', { notAfter: Date.now() - 60_000 })
  for (const key of [undefined, expired]) await assert.rejects(client(key)(message))
  const excess = (await refused(3)).filter((one) => one.reason === 'excess')
  assert.deepEqual(
    excess.map(({ detail }) => detail),
    Array(2).fill('sends a message that is compressed, or of over 131072 bytes'),
  )
})

test('Door ends a connection without a certificate after five minutes, and none with one', async (t) => {
  const manual = createManualClock({ now: Date.now() })
  const { client, ended, fleet } = await setUp(t, { manual })
  const [known, stranger] = [client(await fleet.sign('/known')), client()]
  assert.deepEqual([await known(), await stranger()], [fleet.id('/known'), 'anonymous'])
  await manual.advance(5 * 60_000 - 1)
  assert.deepEqual(ended, [])
  await manual.advance(1)
  // Its client makes another, and may lose a call that it sent on the one before.
  let answer: unknown
  for (let tries = 0; tries < 5 && answer !== 'anonymous'; tries++)
    answer = await stranger().catch((error: unknown) => error)
  assert.equal(answer, 'anonymous')
  assert.deepEqual(ended, ['no certificate was shown for 5 min'])
  assert.equal(await known(), fleet.id('/known'))
})
