/** R06: an authority that is away until all it signed has expired. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR } from '../unit/agent/obtain/setting.ts'
import { inTime } from './in-time.ts'

const IDENTITIES = 10

test('R06: beyond expiry nothing is served, nothing is called removed, streams stay, and all is back by itself', async (t) => {
  const made = await inTime(t, IDENTITIES)
  const { served, stream, client, names } = made
  const before = stream.received.length
  made.away = true
  await made.pass(1.5 * HOUR)
  assert.equal(served.identities.current().length, 0)
  assert.equal(served.identities.missing(), IDENTITIES)
  assert.equal(served.events.filter(({ kind }) => kind === 'expired').length, IDENTITIES)
  await assert.rejects(client.fetch(names[0] ?? ''), /NOT_FOUND/)
  const late = client.delta()
  late.subscribe('ROOTCA', ...names)
  const bundle = await late.next()
  assert.deepEqual(
    bundle.secrets.map(({ name }) => name),
    ['ROOTCA'],
    'the bundle is served, and no certificate',
  )
  assert.equal(stream.received.length, before)
  assert.equal(stream.ended, undefined)
  assert(late.received.every(({ removed }) => removed.length === 0))

  made.away = false
  await made.pass(31_000, 1_000)
  await made.arrived()
  assert.equal(served.identities.missing(), 0)
  assert.equal(stream.ended, undefined)
  const fetched = await client.fetch(...names)
  assert.equal(fetched.length, IDENTITIES)
})
