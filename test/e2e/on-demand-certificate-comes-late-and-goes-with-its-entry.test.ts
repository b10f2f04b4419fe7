import assert from 'node:assert/strict'
import { test } from 'node:test'
import { envoySelectors, testSelectors } from './rig/pair.ts'
import { fetchIdentity, getAsPeer } from './rig/peer.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

test('an on-demand certificate is served once its entry is there, and refused once it is gone', async (t) => {
  const rig = createRig(t)
  const own = { spiffeId: 'spiffe://example.org/test', selectors: testSelectors() }
  const web = { spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }
  const agent = await rig.agent({ entries: [own] })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const peer = await fetchIdentity(client)
  const appPort = await rig.app('OK')
  const envoy = await rig.envoy(agent, { template: 'sidecar-on-demand', appPort })
  // Well before `initial_fetch_timeout`, which is 15 s: it waits for nothing.
  const inbound = await activeListener(envoy, 'inbound', 10_000)
  await assert.rejects(getAsPeer(inbound, peer))

  agent.setEntries([own, web])
  const served = await eventually('a handshake', () => getAsPeer(inbound, peer))
  assert.equal(served.certificate.subjectaltname, `URI:${web.spiffeId}`)

  // The one kind of configuration in which Envoy takes a removal for what it says.
  agent.setEntries([own])
  await eventually('no handshake any more', () =>
    getAsPeer(inbound, peer).then(
      () => false,
      () => true,
    ),
  )

  agent.setEntries([own, web])
  await eventually('a handshake again', () => getAsPeer(inbound, peer))
})
