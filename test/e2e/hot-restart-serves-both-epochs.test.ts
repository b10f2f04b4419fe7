import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from './rig/agent.ts'
import { changedSerial, envoySelectors, heldSecrets } from './rig/pair.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'

const renew = (agent: Agent): Promise<unknown> =>
  agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })

/** The version of `default` that each of the processes has acknowledged, once all have the same. */
function agreedVersion(agent: Agent, pids: readonly number[], before?: string): Promise<string> {
  return eventually(`pids ${pids.join(' and ')} hold one version`, async () => {
    const held = (await heldSecrets(agent)).filter(({ name }) => name === 'default')
    const settled = held.every(({ state }) => state === 'acknowledged')
    const versions = new Set(held.map(({ version }) => version))
    const [version] = versions
    const complete = pids.every((pid) => held.some((secret) => secret.pid === pid))
    return settled && complete && held.length === pids.length && versions.size === 1
      ? version !== before && version
      : undefined
  })
}

test('both epochs of an Envoy that restarts hot are served, each known by its own process', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
  })
  const nodeId = 'one-node-id'
  const common = ['--concurrency', '1', '--drain-time-s', '1', '--parent-shutdown-time-s', '3']
  const baseIdFile = join(rig.folder, 'base-id')
  const first = await rig.envoy(agent, {
    nodeId,
    args: [...common, '--use-dynamic-base-id', '--base-id-path', baseIdFile],
  })
  await activeListener(first, 'inbound')
  const initial = await agreedVersion(agent, [first.child.pid])

  const baseId = readFileSync(baseIdFile, 'utf8').trim()
  const second = await rig.envoy(agent, {
    nodeId,
    args: [...common, '--base-id', baseId, '--restart-epoch', '1'],
  })
  const pids = [first.child.pid, second.child.pid]
  assert.equal(
    await agreedVersion(agent, pids),
    initial,
    'the second epoch is given the identity the first one holds',
  )
  const sidecars = await agent.sidecars()
  assert.deepEqual(
    sidecars.map(({ nodeId: id, spiffeIds }) => [id, spiffeIds]),
    Array.from({ length: 2 }, () => [nodeId, ['spiffe://example.org/web']]),
  )
  assert.equal(new Set(sidecars.map(({ connectionId }) => connectionId)).size, 2)
  assert.equal(await agent.metric('spindle_agent_sidecars'), 2)

  const serial = await changedSerial(second, undefined)
  await renew(agent)
  const pushed = await agreedVersion(agent, pids, initial)
  await changedSerial(second, serial)

  // The first epoch ends by itself: nothing of it is left, and the second is served on.
  await first.child.ended
  await eventually('the first epoch is gone', async () => {
    const left = await agent.sidecars()
    return left.length === 1 && left[0]?.pid === second.child.pid
  })
  await renew(agent)
  await agreedVersion(agent, [second.child.pid], pushed)
  assert.equal(await second.stat('sds.default.update_rejected'), 0)
})
