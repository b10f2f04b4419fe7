/** R10: abuse of HTTP/2 ends for the caller that makes it, beside a client that goes on being served. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { dataFrame, frame, FRAME, grpcHeaders, grpcMessage } from '../e2e/rig/http2-frames.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { atScale } from '../faults/scale.ts'
import { attack, ATTACKS, compressedHeaders, DELTA, randomFrames, SUBSCRIPTION } from './attacks.ts'
import { TELLS_WHAT_IT_KEEPS, calmOf, startBystander } from './bystander.ts'
import { createDraw, drawSeed } from './draw.ts'
import { openFlood } from './flood.ts'

const RESETS = 'streams that are reset as soon as they are opened'
/** Of resets: a connection is closed after some two thousand. */
const RESET_CONNECTIONS = atScale(3, 50)
const UNREAD_STREAMS = atScale(400, 4_000)
const RANDOM_CONNECTIONS = atScale(300, 10_000)
/** A compressed message that cannot be decompressed: gRPC ends the call, and leaves what comes after it. */
const GARBAGE = Buffer.from([1, 0, 0, 0, 1, 0])
const DELTA_STREAMS = 'spindle_agent_sds_streams{variant="delta"}'
const PUSHES = 'spindle_agent_sds_pushes_total{variant="delta",kind="svid"}'
/** 64 MiB of unfinished messages are let in, and streams take some. */
const MOST = { keptMib: 6, rssMib: atScale(256, 384) }

test('R10: abuse of HTTP/2 ends for the caller that makes it alone', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    ...TELLS_WHAT_IT_KEEPS,
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    config: { log: { level: 'info', format: 'json' } },
  })
  const bystander = await startBystander(rig, agent)
  await bystander.more(5)
  const calm = await calmOf(agent)
  bystander.report(t)

  for (const each of ATTACKS)
    await t.test(each.name, async (t) => {
      const beside = bystander.more(1)
      for (let count = each.name === RESETS ? RESET_CONNECTIONS : 1; count > 0; count--)
        await attack(agent.socket, each)
      await beside
      bystander.report(t)
    })

  await t.test(`${UNREAD_STREAMS} streams of a client that takes nothing`, async (t) => {
    const before = (await agent.metric(DELTA_STREAMS)) ?? 0
    const flood = await openFlood(agent.socket, { window: 0 })
    for (let id = 1; id < 2 * UNREAD_STREAMS; id += 2)
      await flood.send(grpcHeaders(id, DELTA), grpcMessage(id, SUBSCRIPTION))
    const open = async (): Promise<boolean> =>
      (await agent.metric(DELTA_STREAMS)) === before + UNREAD_STREAMS
    await eventually('all are open', open)
    const [pushes, arrivals] = [(await agent.metric(PUSHES)) ?? 0, bystander.arrivals]
    await bystander.more(5)
    const more = ((await agent.metric(PUSHES)) ?? 0) - pushes
    assert(more <= bystander.arrivals - arrivals + 1, 'one secret each, not one a rotation')
    flood.socket.destroy()
    bystander.report(t)
  })

  await t.test('streams given up without an error while messages of them wait', async () => {
    const flood = await openFlood(agent.socket)
    const withoutError = Buffer.alloc(4)
    for (let id = 1; id < 200; id += 2) {
      await flood.send(
        compressedHeaders(id),
        grpcMessage(id, SUBSCRIPTION),
        dataFrame(id, GARBAGE),
        ...Array.from({ length: 20 }, () => grpcMessage(id, SUBSCRIPTION)),
      )
      await pause(id % 5)
      await flood.send(frame(FRAME.reset, id, withoutError))
    }
    // Only the client beside is left, while this connection is open.
    await eventually('they are gone', async () => (await agent.metric(DELTA_STREAMS)) === 1)
    assert.equal(flood.closed, false)
    flood.socket.destroy()
  })

  await t.test(`${RANDOM_CONNECTIONS} connections of random frames`, async (t) => {
    const draw = createDraw(drawSeed(t))
    const arrivals = bystander.arrivals
    const sent = await randomFrames(agent.socket, draw, RANDOM_CONNECTIONS)
    await bystander.more(1)
    assert(bystander.arrivals > arrivals)
    t.diagnostic(`${sent} frames`)
    bystander.report(t)
  })

  await calm.restored(t, MOST)
})
