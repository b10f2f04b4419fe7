import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { changedSerial, envoySelectors, heldSecrets, sumOf, testSelectors } from './rig/pair.ts'
import { fetchIdentity, getAsPeer, rootsOf } from './rig/peer.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const NOT_FOUND = 5

test('a deleted entry is told once over Delta, nothing more is sent, and Envoy keeps what it has', async (t) => {
  const rig = createRig(t)
  const web = { spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }
  const own = { spiffeId: 'spiffe://example.org/test', selectors: testSelectors() }
  const agent = await rig.agent({ entries: [web, own] })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const peer = await fetchIdentity(client)
  const appPort = await rig.app('OK')
  const envoy = await rig.envoy(agent, { appPort })
  const inbound = await activeListener(envoy, 'inbound')
  assert.equal((await getAsPeer(inbound, peer)).status, 200)
  const serial = await changedSerial(envoy, undefined)
  const [delta, sotw] = [client.delta(), client.sotw()]
  delta.subscribe('default', 'ROOTCA')
  for (const name of ['default', 'ROOTCA'])
    delta.ack(await delta.next(({ secrets }) => secrets[0]?.name === name))
  sotw.subscribe('default')
  sotw.ack(await sotw.next())
  const given = [delta.received.length, sotw.received.length]
  const successes = (): Promise<(number | undefined)[]> =>
    Promise.all(['default', 'ROOTCA'].map((name) => envoy.stat(`sds.${name}.update_success`)))
  assert.deepEqual(await successes(), [1, 1])
  const pushes = await sumOf(agent, 'spindle_agent_sds_pushes_total')

  agent.setEntries([])
  const removal = await delta.next(({ removed }) => removed.length > 0)
  assert.deepEqual([...removal.removed].sort(), ['ROOTCA', 'default'])
  delta.ack(removal)
  await eventually('Envoy was told', async () => (await successes()).every((count) => count === 2))
  await eventually('every name is shown as revoked', async () =>
    (await heldSecrets(agent)).every(({ state }) => state === 'revoked'),
  )

  // What would be news to anyone who has an entry.
  const rotate = AdminService.method.rotateAuthority
  const rotated = await agent.admin.call(rotate, {}, { deadlineMs: 10_000 })
  assert.equal(rotated.holding, 0, 'nobody is left who was given a bundle')
  await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })
  // On the same connection: what was sent before has arrived when this answer does.
  await assert.rejects(client.fetch('default', 'ROOTCA', 'ALL'), { code: NOT_FOUND })
  assert.deepEqual([delta.received.length, sotw.received.length], [given[0]! + 1, given[1]])
  assert.equal(await sumOf(agent, 'spindle_agent_sds_pushes_total'), pushes)
  assert.deepEqual(await successes(), [2, 2])

  assert.equal((await getAsPeer(inbound, peer)).status, 200, 'Envoy keeps serving')
  assert.equal(await changedSerial(envoy, undefined), serial)

  agent.setEntries([web, own])
  await changedSerial(envoy, serial)
  const from = given[0]! + 1
  delta.ack(await delta.next(({ secrets }) => secrets[0]?.name === 'default', from))
  const again = await delta.next(({ secrets }) => secrets[0]?.name === 'ROOTCA', from)
  assert.equal(rootsOf(again.secrets[0]).split('BEGIN CERTIFICATE').length, 3, 'old and new roots')
})
