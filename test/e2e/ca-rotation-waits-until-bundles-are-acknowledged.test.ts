import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { testSelectors } from './rig/pair.ts'
import { rootsOf } from './rig/peer.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const { renewIdentities, rotateAuthority, getAuthority } = AdminService.method

test('a new CA does not sign before whoever holds a bundle has the next one, nor wait for anyone else', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/test', selectors: testSelectors() }],
  })
  const rotate = async (): Promise<readonly number[]> => {
    const { acknowledged, holding } = await agent.admin.call(
      rotateAuthority,
      {},
      { deadlineMs: 8_000 },
    )
    return [acknowledged, holding]
  }
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const svidAlone = client.delta()
  svidAlone.subscribe('default')
  svidAlone.ack(await svidAlone.next())
  assert.deepEqual(await rotate(), [0, 0], 'nobody holds a bundle')

  const both = client.delta()
  both.subscribe('default', 'ROOTCA')
  both.ack(await both.next())
  both.ack(await both.next(undefined, 1))
  // The next bundle cannot be sent before this one is answered.
  await agent.admin.call(renewIdentities, {}, { deadlineMs: 20_000 })
  const unanswered = await both.next(undefined, 2)
  let rotated = false
  const rotation = rotate().finally(() => (rotated = true))
  const statuses = async (): Promise<string[]> => {
    const { slots } = await agent.admin.call(getAuthority, {}, { deadlineMs: 20_000 })
    return slots.map(({ status }) => status)
  }
  await eventually('prepared', async () => (await statuses()).includes('prepared'))
  // On the same connection as the stream: what was sent before has arrived when this answer does.
  await client.fetch('ROOTCA')
  assert.equal(both.received.length, 3)
  assert.equal(rotated, false)

  both.ack(unanswered)
  const bundle = await both.next(undefined, 3)
  assert.equal(rootsOf(bundle.secrets[0]).split('BEGIN CERTIFICATE').length - 1, 3)
  assert((await statuses()).includes('prepared'), 'sent is not acknowledged')
  assert.equal(rotated, false)
  both.ack(bundle)
  assert.deepEqual(await rotation, [1, 1])
  assert(!(await statuses()).includes('prepared'))

  // Whoever leaves meanwhile is not waited for.
  const next = rotate()
  await both.next(({ secrets }) => secrets[0]?.name === 'default', 4).then(both.ack)
  await both.next(({ secrets }) => secrets[0]?.name === 'ROOTCA', 4)
  both.close()
  assert.deepEqual(await next, [0, 0])
})
