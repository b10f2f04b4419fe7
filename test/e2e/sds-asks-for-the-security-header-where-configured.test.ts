import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '../../src/runtime/grpc-status.ts'
import { cli } from './rig/command.ts'
import { envoySelectors } from './rig/pair.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

/** Gives every gRPC service of a configuration the header. */
function addHeader(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  const services = (value as { grpc_services?: { initial_metadata?: object[] }[] }).grpc_services
  for (const service of services ?? [])
    service.initial_metadata = [{ key: 'workload.spiffe.io', value: 'true' }]
  for (const part of Object.values(value)) addHeader(part)
}

test('with sds.requireSecurityHeader SDS is for those that send it: the agent, its commands, and an Envoy that is told to', async (t) => {
  const rig = createRig(t)
  const web = { spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }
  const selectors = [`unix:uid:${process.getuid?.()}`]
  const me = { spiffeId: 'spiffe://example.org/me', selectors }
  const agent = await rig.agent({
    entries: [me, { ...web, default: true }],
    config: { sds: { requireSecurityHeader: true } },
  })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  await assert.rejects(client.fetch('default'), {
    code: status.INVALID_ARGUMENT,
    details: /workload\.spiffe\.io: true must be sent/,
  })
  const stream = client.delta()
  await eventually('the stream is refused', () => stream.ended !== undefined)
  assert.equal(stream.ended?.code, status.INVALID_ARGUMENT)

  const ready = await fetch(`${agent.http}/ready`)
  assert.equal(ready.status, 200, await ready.text())
  const fetched = await cli('sds', 'fetch', 'default', '--socket', agent.socket)
  assert.equal(fetched.code, 0, fetched.err)
  const envoy = await rig.envoy(agent, { change: addHeader })
  await activeListener(envoy, 'inbound')
})
