/**
 * R15: with so few descriptors that they do run out, who is served is served on, and others are again as soon as some
 * are free. With a usual limit they do not run out: test/e2e/silent-and-half-open-clients-do-not-hold-the-agent.test.ts.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { createSdsClient } from '../e2e/rig/sds-client.ts'
import { footprintOf } from '../leaks.ts'
import { startCrowd } from './crowd.ts'

const RESUMED_MS = 1_000

/** As many connections as can be had, of those tried; they say nothing. */
async function occupy(rig: Rig, where: string | number, tries: number): Promise<readonly Socket[]> {
  const target = typeof where === 'string' ? { path: where } : { port: where, host: '127.0.0.1' }
  return Promise.all(
    Array.from({ length: tries }, async () => {
      const socket = connect(target)
      rig.atEnd(() => socket.destroy())
      socket.on('error', () => undefined).resume()
      await Promise.race([once(socket, 'connect'), once(socket, 'close')])
      return socket
    }),
  )
}

async function refusals(agent: Agent): Promise<number> {
  const answer = await fetch(`${agent.http}/metrics`, { signal: AbortSignal.timeout(10_000) })
  const text = await answer.text()
  const series = text.matchAll(/^spindle_agent_connections_refused_total\{.*\} (\d+)$/gm)
  return Array.from(series).reduce((sum, [, count]) => sum + Number(count), 0)
}

for (const limit of [64, 256])
  test(`R15: an agent with ${limit} descriptors lives through a crowd at every door of its`, async (t) => {
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
      through: ['prlimit', `--nofile=${limit}:${limit}`],
      config: { limits: { connectionsPerUid: 10_000 }, log: { level: 'info' } },
    })
    const valid = startCrowd(agent.socket, 1)
    rig.atEnd(() => valid.close())
    const [member] = valid.members
    const certificates = async (count: number): Promise<void> => {
      await eventually(`certificate ${count}`, () => member?.certificates === count)
    }
    await certificates(1)
    const renew = () =>
      agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })
    await renew()
    await certificates(2)

    const crowds = [
      await occupy(rig, Number(new URL(agent.http).port), limit * 2),
      await occupy(rig, agent.socket, limit * 2),
    ]
    t.diagnostic(`descriptors in the crowd: ${footprintOf(agent.child.pid)?.descriptors}`)
    await renew()
    await certificates(3)
    assert.equal(member?.drops, 0)

    for (const socket of crowds.flat()) socket.destroy()
    const released = performance.now()
    const client = createSdsClient(agent.socket)
    rig.atEnd(() => client.close())
    await eventually(
      'another is served',
      async () => (await client.fetch('default')).length === 1,
      5 * RESUMED_MS,
    )
    t.diagnostic(`served ${(performance.now() - released).toFixed(0)} ms after they were free`)
    assert((await refusals(agent)) > 0, 'and they were counted')
    await renew()
    await certificates(4)
    assert.equal(member?.drops, 0)
  })
