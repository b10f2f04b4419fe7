/** R11: a client that rejects everything, a thousand times a second, is sent each content once, and told of once a minute. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { createSdsClient } from '../e2e/rig/sds-client.ts'
import type { SdsStreamClient } from '../e2e/rig/sds-client.ts'
import { atScale } from '../faults/scale.ts'
import { TELLS_WHAT_IT_KEEPS, calmOf, startBystander } from './bystander.ts'

const STORM_MS = atScale(3_000, 130_000)
const NACKS_A_TICK = 10
const TICK_MS = 10
const REJECTION = { code: 13, message: 'KEY_VALUES_MISMATCH' }
/** The first, and one a minute. */
const MOST_LINES = 1 + Math.ceil(STORM_MS / 60_000)
const MOST = { keptMib: 5, rssMib: 64 }
const NACKS = 'spindle_agent_sds_nacks_total{class="key_mismatch"}'

interface Told {
  readonly variant: string
  readonly times?: number
}

/** A client that rejects what comes, and then again, and what never came. */
function rejecting(stream: SdsStreamClient) {
  let rejected = 0
  return {
    stream,
    answer(): number {
      const fresh = stream.received.slice(rejected)
      for (const message of fresh) stream.nack(message, REJECTION)
      rejected += fresh.length
      return fresh.length
    },
    /** NACKs of what was rejected before, and of nothing. */
    repeat(count: number): number {
      for (let index = 0; index < count; index++) {
        const message = stream.received[Math.max(0, rejected - 1 - (index % 3))]
        assert(message !== undefined)
        stream.nack(index % 5 === 0 ? { ...message, nonce: 'invented' } : message, REJECTION)
      }
      return count
    },
  }
}

test('R11: a storm of NACKs: no content comes twice, the log stays short, and the count is right', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    ...TELLS_WHAT_IT_KEEPS,
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    config: { log: { level: 'info', format: 'json' } },
  })
  const bystander = await startBystander(rig, agent)
  await bystander.more(2)
  const calm = await calmOf(agent)
  bystander.report(t)

  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const clients = [rejecting(client.delta()), rejecting(client.sotw())] as const
  for (const { stream } of clients) stream.subscribe('default')
  for (const { stream, answer } of clients) {
    await stream.next()
    answer()
  }
  let said = 0
  const started = performance.now()
  while (performance.now() - started < STORM_MS) {
    for (const { answer, repeat } of clients) said += answer() + repeat(NACKS_A_TICK / 2)
    await pause(TICK_MS)
  }
  t.diagnostic(`${said} NACKs in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  bystander.report(t)

  await eventually('each push is counted as rejected, once', async () => {
    for (const { answer } of clients) answer()
    const received = clients.reduce((sum, { stream }) => sum + stream.received.length, 0)
    return (await agent.metric(NACKS)) === received
  })
  for (const { stream } of clients) {
    const versions = stream.received.map((message) => message.versions[0])
    assert.equal(new Set(versions).size, versions.length, 'a content came twice')
    assert(versions.length >= 3, 'rotations went on')
    assert(versions.length <= bystander.arrivals + 1, 'more came than rotations')
  }
  const told = agent.child
    .output()
    .split('\n')
    .filter((line) => line.includes('secret rejected'))
    .map((line) => JSON.parse(line) as Told)
  for (const variant of ['delta', 'sotw']) {
    const lines = told.filter((line) => line.variant === variant).length
    assert(lines >= 1 && lines <= MOST_LINES, `${variant}: ${lines} lines`)
  }

  for (const { stream } of clients) stream.close()
  await bystander.more(1)
  await calm.restored(t, MOST)
})
