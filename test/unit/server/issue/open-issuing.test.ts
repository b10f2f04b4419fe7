import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyX509Svid } from '../../../../src/certs/parse.ts'
import { fleet, trustDomain } from './setting.ts'

test('openIssuing: what it signs with is in the stored bundle, and its own SVID leads there', async (t) => {
  const { clock, store, server, bundle } = await fleet(t)
  const { x509, jwt, svid, serverId } = await server('a').open()
  const { x509Authorities, jwtAuthorities, sequence, refreshHintSeconds } = await bundle()
  const anchors = x509Authorities.map(({ certificate }) => certificate)
  assert.equal(anchors.length, 1)
  const id = verifyX509Svid(svid.current.chain, new Map([[trustDomain, anchors]]), {
    now: clock.now(),
    mode: 'strict',
  })
  assert.equal(id, 'spiffe://example.org/spire/server')
  assert.equal(svid.current.authorityId, x509.state.current.slots[0]?.authorityId)
  assert.deepEqual(
    jwtAuthorities.map(({ keyId }) => keyId),
    jwt.state.current.slots.map(({ authorityId }) => authorityId),
  )
  assert.ok(sequence > 0)
  assert.equal(refreshHintSeconds, 300)
  assert.deepEqual(
    (await store.authorities.list()).map(({ kind, status }) => `${kind} ${status}`).toSorted(),
    ['jwt active', 'x509 active'],
  )
  assert.deepEqual(await store.servers.list(), [{ id: serverId, lastSeen: clock.now() }])
})

test('openIssuing: after a restart it is the same server with the same authorities, and the bundle is as it was', async (t) => {
  const { server, bundle } = await fleet(t)
  const one = server('a')
  const before = await one.open()
  await before.close()
  const was = await bundle()
  const after = await one.open()
  assert.equal(after.serverId, before.serverId)
  assert.deepEqual(after.x509.state.current.slots, before.x509.state.current.slots)
  assert.deepEqual(after.jwt.state.current.slots, before.jwt.state.current.slots)
  assert.deepEqual(await bundle(), was)
})
