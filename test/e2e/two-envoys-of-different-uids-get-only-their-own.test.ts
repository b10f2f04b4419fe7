import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'node:tls'
import type { Envoy } from '../../src/cli/demo/envoy.ts'
import { serialsInUse } from './rig/pair.ts'
import { activeListener, createRig, eventually, get } from './rig/rig.ts'

const WEB = { uid: 10_001, spiffeId: 'spiffe://example.org/web' }
const DATABASE = { uid: 10_002, spiffeId: 'spiffe://example.org/database' }

/** Beside its own, a listener that asks for the identity of the other by its SPIFFE ID. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const alsoAskFor = (spiffeId: string) => (config: Record<string, any>) => {
  const { listeners } = config['static_resources']
  const copy = structuredClone(
    listeners.find((listener: { name: string }) => listener.name === 'inbound'),
  )
  copy.name = 'forbidden'
  const { typed_config: tls } = copy.filter_chains[0].transport_socket
  tls.common_tls_context.tls_certificate_sds_secret_configs[0].name = spiffeId
  listeners.push(copy)
}

/** Every URI in a certificate that an Envoy uses. */
async function urisInUse(envoy: Envoy): Promise<readonly string[]> {
  const { certificates } = JSON.parse(await envoy.admin('/certs')) as {
    certificates: { cert_chain: { subject_alt_names: { uri?: string }[] }[] }[]
  }
  const leaves = certificates.flatMap(({ cert_chain: chain }) => chain.slice(0, 1))
  const uris = leaves.flatMap((leaf) => leaf.subject_alt_names.flatMap(({ uri }) => uri ?? []))
  return Array.from(new Set(uris))
}

/** Whether a TLS handshake with the listener gets as far as a certificate. */
function presentsCertificate(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    socket.setTimeout(20_000, () => socket.destroy())
    socket.once('secureConnect', () => {
      resolve(true)
      socket.destroy()
    })
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(false))
  })
}

test('two Envoys of different uids each get their own identity, and not the other’s by asking for it', async (t) => {
  if (process.getuid?.() !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI is root')
    return t.skip('needs root, to run Envoys of other uids')
  }
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [WEB, DATABASE].map(({ uid, spiffeId }) => ({
      spiffeId,
      selectors: [`unix:uid:${uid}`],
    })),
  })
  const appPort = await rig.app('rows')
  const database = await rig.envoy(agent, {
    uid: DATABASE.uid,
    appPort,
    mayCall: [WEB.spiffeId],
    change: alsoAskFor(WEB.spiffeId),
  })
  const peerPort = await activeListener(database, 'inbound')
  const web = await rig.envoy(agent, {
    uid: WEB.uid,
    template: 'sidecar-sotw',
    peerPort,
    // State of the world has no way to say no: the listener of the other's name would block the rest until then.
    change(config) {
      alsoAskFor(DATABASE.spiffeId)(config)
      for (const { name, filter_chains: chains } of config['static_resources'].listeners)
        if (name === 'forbidden') {
          const { common_tls_context: tls } = chains[0].transport_socket.typed_config
          tls.tls_certificate_sds_secret_configs[0].sds_config.initial_fetch_timeout = '0.5s'
        }
    },
  })
  const outbound = await activeListener(web, 'outbound')
  const answer = await eventually('an answer', async () => {
    const reply = await get(outbound)
    return reply.status === 200 && reply
  })
  assert.equal(answer.body, 'rows')

  for (const [envoy, own, other] of [
    [web, WEB, DATABASE],
    [database, DATABASE, WEB],
  ] as const) {
    const sidecar = (await agent.sidecars()).find(({ pid }) => pid === envoy.child.pid)
    assert.equal(sidecar?.uid, own.uid)
    assert.deepEqual(sidecar.spiffeIds, [own.spiffeId])
    const forbidden = sidecar.secrets.find(({ name }) => name === other.spiffeId)
    assert.deepEqual([forbidden?.state, forbidden?.version, forbidden?.kind], ['waiting', '', ''])
    assert.deepEqual(await urisInUse(envoy), [own.spiffeId])
    assert.equal((await serialsInUse(envoy)).length, 1)
    const port = await activeListener(envoy, 'forbidden')
    assert.equal(await presentsCertificate(port), false)
    assert.equal(await presentsCertificate(await activeListener(envoy, 'inbound')), true)
  }
  // Neither has been sent a third secret.
  const pushed = async (variant: string): Promise<number | undefined> =>
    agent.metric(`spindle_agent_sds_pushes_total{variant="${variant}",kind="svid"}`)
  assert.deepEqual([await pushed('sotw'), await pushed('delta')], [1, 1])
})
