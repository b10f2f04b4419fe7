import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { Envoy } from '../../src/cli/demo/envoy.ts'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import {
  acknowledged,
  envoySelectors,
  heldSecrets,
  serialsInUse,
  testSelectors,
} from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const DEADLINE = { deadlineMs: 10_000 }
const SVID_PUSHES = 'spindle_agent_sds_pushes_total{variant="delta",kind="svid"}'
const ACKS_OF_REJECTED = 'spindle_agent_sds_acks_of_rejected_total'
const nacks = (meaning: string): string => `spindle_agent_sds_nacks_total{class="${meaning}"}`

test('what a real Envoy rejects is not sent to it again, on no stream, until it changes', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
  })
  const rejections = (envoy: Envoy): Promise<number | undefined> =>
    envoy.stat('sds.default.update_rejected')
  const envoy = await rig.envoy(agent, {
    change(config) {
      const { listeners, clusters } = config['static_resources']
      // No SVID has an OCSP response, so this Envoy rejects each one.
      const tls = listeners[0].filter_chains[0].transport_socket.typed_config
      tls.ocsp_staple_policy = 'MUST_STAPLE'
      config['static_resources'].clusters = clusters.filter(
        (cluster: { name: string }) => cluster.name !== 'peer',
      )
      listeners.pop()
      const sds = clusters.find((cluster: { name: string }) => cluster.name === 'spindle_agent')
      const [options] = Object.values<Record<string, unknown>>(sds.typed_extension_protocol_options)
      // Envoy gives every stream up after this long, and opens it anew; shorter, a busy machine loses the NACK with its stream.
      options!['common_http_protocol_options'] = { max_stream_duration: '2s' }
    },
  })
  const shown = await eventually('the rejection is shown', async () =>
    (await heldSecrets(agent)).find(
      ({ name, state }) => name === 'default' && state === 'rejected',
    ),
  )
  assert.equal(shown.rejection, 'ocsp')
  assert.equal(await agent.metric(nacks('ocsp')), 1)
  assert.equal(await rejections(envoy), 1)

  const attempts = (await envoy.stat('sds.default.update_failure')) ?? 0
  await eventually('three streams more', async () => {
    const now = await envoy.stat('sds.default.update_failure')
    return now !== undefined && now >= attempts + 3
  })
  assert.equal(await agent.metric(SVID_PUSHES), 1, 'sent once')
  assert.equal(await agent.metric(nacks('ocsp')), 1)
  assert.equal(await envoy.stat('sds.default.update_success'), 0, 'Envoy was not made to say yes')
  assert.deepEqual(await serialsInUse(envoy), [])

  await agent.admin.call(AdminService.method.renewIdentities, {}, DEADLINE)
  await eventually('the next one is offered, and rejected', async () => {
    return (await agent.metric(nacks('ocsp'))) === 2
  })
  assert.equal(await agent.metric(SVID_PUSHES), 2)
})

test('a bundle that Envoy asked for as a certificate is rejected there alone', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
  })
  const envoy = await rig.envoy(agent, {
    change(config) {
      const { listeners } = config['static_resources']
      const tls = listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context
      tls.tls_certificate_sds_secret_configs[0].name = 'ROOTCA'
    },
  })
  const states = async (): Promise<string[]> => {
    const held = (await heldSecrets(agent)).filter(({ name }) => name === 'ROOTCA')
    return held.map(({ state, rejection }) => `${state} ${rejection}`.trim()).sort()
  }
  const expected = ['acknowledged', 'rejected type_mismatch']
  await eventually('one stream takes it, one does not', async () => {
    assert.deepEqual(await states(), expected)
    return true
  })
  assert.equal(await agent.metric(nacks('type_mismatch')), 1)

  await agent.admin.call(AdminService.method.rotateAuthority, {}, DEADLINE)
  await eventually('the next bundle: the same again', async () => {
    return (await agent.metric(nacks('type_mismatch'))) === 2
  })
  assert.deepEqual(await states(), expected)
  assert.deepEqual((await serialsInUse(envoy)).length, 1, 'the cluster has its certificate')
})

test('a NACK that quotes a private key is told by its class alone, and outlives the connection', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/test', selectors: testSelectors() }],
    config: { log: { level: 'trace', format: 'json' } },
  })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const message = `Proto constraint validation failed (TlsCertificate): private_key { inline_bytes: ${JSON.stringify(pem)} }`
  const first = createSdsClient(agent.socket)
  rig.atEnd(() => first.close())
  const [rejecting, acknowledging] = [first.delta(), first.delta()]
  for (const stream of [rejecting, acknowledging]) stream.subscribe('default')
  const rejected = await rejecting.next()
  const same = await acknowledging.next()
  assert.deepEqual(rejected.versions, same.versions)

  rejecting.nack(rejected, { code: 13, message })
  await eventually('counted', async () => (await agent.metric(nacks('constraint'))) === 1)
  acknowledging.ack(same)
  await eventually('not believed', async () => (await agent.metric(ACKS_OF_REJECTED)) === 1)
  assert.deepEqual(
    (await heldSecrets(agent)).map(({ state, acknowledgedVersion }) => [
      state,
      acknowledgedVersion,
    ]),
    [
      ['rejected', ''],
      ['rejected', ''],
    ],
  )
  assert((await heldSecrets(agent)).some(({ rejection }) => rejection === 'constraint'))

  // The same process on a connection of its own, in both variants, and once without a stream.
  const second = createSdsClient(agent.socket)
  rig.atEnd(() => second.close())
  const streams = [second.delta(), second.sotw()]
  for (const stream of streams) stream.subscribe('default')
  await eventually('both asked', async () => (await heldSecrets(agent)).length === 4)
  await assert.rejects(second.fetch('default'), { code: 5 })
  assert.deepEqual(
    [rejecting, acknowledging, ...streams].map(({ received }) => received.length),
    [1, 1, 0, 0],
  )

  await agent.admin.call(AdminService.method.renewIdentities, {}, DEADLINE)
  for (const stream of [rejecting, acknowledging]) stream.ack(await stream.next(undefined, 1))
  for (const stream of streams) stream.ack(await stream.next())
  await acknowledged(agent, { name: 'default', count: 4 })

  const said = agent.child.output()
  assert.match(said, /constraint/)
  const quoted = pem.split('\n').filter((line) => line.length > 20 && !line.startsWith('---'))
  assert(quoted.length >= 2)
  const metrics = await (await fetch(`${agent.http}/metrics`)).text()
  for (const secret of [...quoted, 'TlsCertificate', 'inline_bytes']) {
    assert(!said.includes(secret), 'the log quotes what the client sent')
    assert(!metrics.includes(secret), 'a metric quotes what the client sent')
  }
})
