import assert from 'node:assert/strict'
import { test } from 'node:test'
import { envoySelectors, heldSecrets, testSelectors, VARIANTS } from './rig/pair.ts'
import { fetchIdentity, getAsPeer } from './rig/peer.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

/** Five times the figure of DESIGN part 10. */
const WITHIN_MS = 5 * 300

for (const [variant, template] of VARIANTS)
  test(`an entry written while Envoy waits makes its listener serve at once (${variant})`, async (t) => {
    const rig = createRig(t)
    const entries = [{ spiffeId: 'spiffe://example.org/test', selectors: testSelectors() }]
    const agent = await rig.agent({ entries })
    const client = createSdsClient(agent.socket)
    rig.atEnd(() => client.close())
    const peer = await fetchIdentity(client)
    const appPort = await rig.app('OK')
    const envoy = await rig.envoy(agent, { template, appPort })
    await eventually('Envoy waits for both names', async () => {
      const held = (await heldSecrets(agent)).filter(({ pid }) => pid === envoy.child.pid)
      return held.length === 2 && held.every(({ state }) => state === 'waiting')
    })
    if (template === 'sidecar-delta') {
      const port = await activeListener(envoy, 'inbound')
      await assert.rejects(getAsPeer(port, peer), 'nothing is served without an identity')
    } else assert.equal(await envoy.stat('listener_manager.workers_started'), 0)

    const written = performance.now()
    agent.setEntries([
      ...entries,
      { spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) },
    ])
    const answer = await eventually('a request over mutual TLS', async () => {
      const port = await envoy.listenerPort('inbound')
      return port === undefined ? undefined : getAsPeer(port, peer)
    })
    const tookMs = performance.now() - written

    assert.equal(answer.status, 200)
    assert.equal(answer.certificate.subjectaltname, 'URI:spiffe://example.org/web')
    t.diagnostic(`from the entry written to the first answer: ${tookMs.toFixed(0)} ms`)
    assert(tookMs < WITHIN_MS, `${tookMs.toFixed(0)} ms, not under ${WITHIN_MS} ms`)
    assert.equal(await envoy.stat('sds.default.init_fetch_timeout'), 0)
  })
