import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { envoySelectors, heldSecrets, sumOf, testSelectors, VARIANTS } from './rig/pair.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const DEADLINE = { deadlineMs: 10_000 }

test('a client that unsubscribes is sent nothing more, and its streams stay open', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/test', selectors: testSelectors() }],
  })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  // As Envoy does: a stream a secret. The last two keep their names.
  const streams = [client.sotw(), client.delta(), client.sotw(), client.delta()]
  for (const stream of streams) {
    stream.subscribe('default')
    stream.ack(await stream.next())
  }
  const [sotw, delta, ...others] = streams
  assert(sotw !== undefined && delta !== undefined)
  const before = [sotw.bytes, delta.bytes]
  assert(before.every((bytes) => bytes > 0))

  sotw.unsubscribe()
  delta.unsubscribe('default')
  await eventually(
    'two streams without a name',
    async () => (await heldSecrets(agent)).length === 2,
  )
  await agent.admin.call(AdminService.method.renewIdentities, {}, DEADLINE)
  for (const other of others) await other.next(undefined, 1)
  await agent.admin.call(AdminService.method.rotateAuthority, {}, DEADLINE)
  for (const other of others) await other.next(undefined, 1)
  // On the same connection: what was sent before has arrived when this answer does.
  await client.fetch('default')

  assert.deepEqual([sotw.bytes, delta.bytes], before)
  assert.deepEqual([sotw.ended, delta.ended], [undefined, undefined])
  for (const stream of [sotw, delta]) {
    const from = stream.received.length
    stream.subscribe('default')
    assert.equal((await stream.next(undefined, from)).secrets[0]?.name, 'default')
  }
})

for (const [variant, template] of VARIANTS)
  test(`an Envoy whose listener is removed is sent nothing for it (${variant})`, async (t) => {
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
    })
    const file = join(rig.folder, 'listeners.json')
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    let listeners: any[] = []
    const writeListeners = (): void => {
      const type = 'type.googleapis.com/envoy.config.listener.v3.Listener'
      const resources = listeners.map((listener) => ({ '@type': type, ...listener }))
      writeFileSync(`${file}.new`, JSON.stringify({ resources }))
      renameSync(`${file}.new`, file)
    }
    const envoy = await rig.envoy(agent, {
      template,
      args: ['--use-dynamic-base-id', '--concurrency', '1', '--drain-time-s', '1'],
      change(config) {
        const [inbound, outbound] = config['static_resources'].listeners
        const second = structuredClone(inbound)
        second.name = 'second'
        const tls = second.filter_chains[0].transport_socket.typed_config.common_tls_context
        tls.tls_certificate_sds_secret_configs[0].name = 'spiffe://example.org/web'
        tls.combined_validation_context.validation_context_sds_secret_config.name =
          'spiffe://example.org'
        config['static_resources'].listeners = [outbound]
        const watched = { path_config_source: { path: file }, resource_api_version: 'V3' }
        config['dynamic_resources'] = { lds_config: watched }
        listeners = [inbound, second]
        writeListeners()
      },
    })
    await activeListener(envoy, 'second')
    await eventually('four names acknowledged', async () => {
      const held = await heldSecrets(agent)
      return held.length === 4 && held.every(({ state }) => state === 'acknowledged')
    })
    const received = 'cluster.spindle_agent.upstream_cx_rx_bytes_total'
    const bytes = (await envoy.stat(received)) ?? Number.NaN
    const pushes = await sumOf(agent, 'spindle_agent_sds_pushes_total')
    assert.equal(pushes, 4)

    listeners.pop()
    writeListeners()
    await eventually('two streams left', async () => {
      const open = await sumOf(agent, 'spindle_agent_sds_streams')
      return open === 2
    })
    assert.equal(await sumOf(agent, 'spindle_agent_sds_pushes_total'), pushes)
    // Frames that keep HTTP/2 going are allowed; the smallest secret is larger.
    const more = ((await envoy.stat(received)) ?? Number.NaN) - bytes
    assert(more < 300, `${more} bytes more`)
    assert.equal(await sumOf(agent, 'spindle_agent_sds_requests_refused_total'), 0)
  })
