import assert from 'node:assert/strict'
import { test } from 'node:test'
import { envoySelectors, testSelectors } from './rig/pair.ts'
import { fetchIdentity, getAsPeer } from './rig/peer.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

/** Two thirds of `initial_fetch_timeout` in the recommended configuration. */
const WELL_BEFORE_THE_TIMEOUT_MS = 10_000

test('a listener whose name nobody registered does not hold the others back (Delta)', async (t) => {
  const rig = createRig(t)
  const own = { spiffeId: 'spiffe://example.org/test', selectors: testSelectors() }
  const web = { spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }
  const nobody = { spiffeId: 'spiffe://example.org/nobody', selectors: envoySelectors(rig) }
  const agent = await rig.agent({ entries: [own, web] })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const peer = await fetchIdentity(client)
  const appPort = await rig.app('OK')
  const started = performance.now()
  const envoy = await rig.envoy(agent, {
    appPort,
    change(config) {
      const { listeners } = config['static_resources']
      const second = structuredClone(listeners[0])
      second.name = 'second'
      const tls = second.filter_chains[0].transport_socket.typed_config.common_tls_context
      tls.tls_certificate_sds_secret_configs[0].name = nobody.spiffeId
      listeners.push(second)
    },
  })

  const inbound = await activeListener(envoy, 'inbound', WELL_BEFORE_THE_TIMEOUT_MS)
  const tookMs = performance.now() - started
  t.diagnostic(`active ${tookMs.toFixed(0)} ms after Envoy was started`)
  assert(tookMs < WELL_BEFORE_THE_TIMEOUT_MS, `${tookMs.toFixed(0)} ms`)
  assert.equal((await getAsPeer(inbound, peer)).status, 200)
  assert.equal(await envoy.stat('sds.default.init_fetch_timeout'), 0)

  const second = await activeListener(envoy, 'second')
  await assert.rejects(getAsPeer(second, peer), 'the unregistered name serves nobody')
  agent.setEntries([own, web, nobody])
  const healed = await eventually('the second listener serves', () => getAsPeer(second, peer))
  assert.equal(healed.certificate.subjectaltname, `URI:${nobody.spiffeId}`)
})
