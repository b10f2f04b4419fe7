/** R09, R12: whatever is said on the socket, on streams and in calls, the client beside it gets its secret. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig } from '../e2e/rig/rig.ts'
import { atScale } from '../faults/scale.ts'
import { TELLS_WHAT_IT_KEEPS, calmOf, startBystander } from './bystander.ts'
import { createDraw, drawSeed } from './draw.ts'
import type { Tally } from './sds-lane.ts'
import { runLane } from './sds-lane.ts'
import { OWN_NAMES } from './sds-messages.ts'

const MESSAGES = atScale(20_000, 200_000)
const LANES = 12
/** What it keeps: compiled code, and nothing of the messages, however many come. Room that was made for them is not given back. */
const MOST = { keptMib: 8, rssMib: 192 }

test(`R09: ${MESSAGES} requests, of which many are none, disturb nobody`, async (t) => {
  const seed = drawSeed(t)
  const rig = createRig(t)
  const agent = await rig.agent({
    ...TELLS_WHAT_IT_KEEPS,
    entries: [
      { spiffeId: 'spiffe://example.org/web', selectors: testSelectors() },
      { spiffeId: 'spiffe://example.org/other', selectors: ['unix:uid:4000000'] },
    ],
    config: { log: { level: 'info', format: 'json' } },
  })
  const bystander = await startBystander(rig, agent)
  await bystander.more(5)
  const calm = await calmOf(agent)
  const tally: Tally = {
    messages: 0,
    afterValid: 0,
    streams: 0,
    responses: 0,
    ends: new Map(),
    names: new Set(),
  }
  bystander.report(t)
  const before = bystander.arrivals
  const started = performance.now()
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    runLane(agent.socket, createDraw(seed + lane), { tally, total: MESSAGES }),
  )
  await Promise.all(lanes)
  const seconds = (performance.now() - started) / 1000
  t.diagnostic(`${tally.messages} messages on ${tally.streams} streams in ${seconds.toFixed(1)} s`)
  t.diagnostic(`${tally.responses} responses; ends: ${JSON.stringify([...tally.ends])}`)
  assert(bystander.arrivals > before, 'rotations went on meanwhile')
  bystander.report(t)

  // A test of nothing would pass too.
  const share = tally.afterValid / tally.messages
  assert(share > 0.6 && share < 0.85, `${share} after a valid request`)
  assert(tally.responses > MESSAGES / 100)
  for (const end of ['OK', 'INVALID_ARGUMENT', 'RESOURCE_EXHAUSTED', 'NOT_FOUND'])
    assert(tally.ends.has(end), `nothing ended with ${end}`)
  const own: readonly string[] = [...OWN_NAMES, 'spiffe://example.org']
  assert.deepEqual(
    [...tally.names].filter((name) => !own.includes(name)),
    [],
  )

  await bystander.more(2)
  await calm.restored(t, MOST)
})
