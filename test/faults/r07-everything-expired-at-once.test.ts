/** R07: the host was asleep, or its clock was wrong: certificates and CA are all expired, or not valid yet, at once. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Agent } from '../e2e/rig/agent.ts'
import { createOperator } from '../e2e/rig/operator.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import type { Crowd } from './crowd.ts'
import { startCrowd } from './crowd.ts'
import { fakedTime } from './faked-time.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const GOAL_MS = 60_000
/** In which the agent looks at its clock, and the slack of a busy machine. */
const LOOKED_MS = 25_000

const entries = [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }]

/** Resolves once the crowd's one certificate is valid at `offsetMs` from now, under the anchors it has. */
async function validAt(crowd: Crowd, offsetMs: number, withinMs: number): Promise<void> {
  await eventually(
    `a certificate that is valid ${offsetMs / HOUR} h from now`,
    () => {
      const [member] = crowd.members
      if (member === undefined || member.chain === '') return false
      const [leaf, ...above] = certificatesIn(member.chain)
      const now = Date.now() + offsetMs
      const signers = [...above, ...certificatesIn(member.roots)]
      if (leaf === undefined) return false
      const signed = signers.some(
        (ca) => leaf.verify(ca.publicKey) && now < ca.validToDate.getTime(),
      )
      return signed && leaf.validFromDate.getTime() <= now && now < leaf.validToDate.getTime()
    },
    withinMs,
  )
}

const certificatesIn = (pem: string): X509Certificate[] =>
  (pem.match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? []).map(
    (each) => new X509Certificate(each),
  )

const ready = async (agent: Agent): Promise<{ ok: boolean; text: string }> => {
  const answer = await fetch(`${agent.http}/ready`, { signal: AbortSignal.timeout(20_000) })
  return { ok: answer.ok, text: await answer.text() }
}

async function recovers(t: TestContext, offsetMs: number): Promise<void> {
  const rig = createRig(t)
  const time = fakedTime(t, rig, 'clock')
  if (time === undefined) return
  const agent = await rig.agent({ entries, env: time.env })
  const crowd = startCrowd(agent.socket, 1)
  rig.atEnd(() => crowd.close())
  await validAt(crowd, 0, LOOKED_MS)
  time.set(offsetMs)
  const start = performance.now()
  await validAt(crowd, offsetMs, LOOKED_MS)
  const took = performance.now() - start
  t.diagnostic(`valid again after ${(took / 1_000).toFixed(1)} s`)
  assert(took < GOAL_MS)
  assert.equal(crowd.members[0]?.drops, 0)
  assert.equal((await ready(agent)).ok, true)
  const direction = offsetMs > 0 ? 'forward' : 'backward'
  assert.equal(await agent.metric(`spindle_agent_clock_jumps_total{direction="${direction}"}`), 1)
}

test(
  'R07, R08: an agent whose clock jumps makes its own CA and certificates anew, and stays up',
  { concurrency: true },
  async (t) => {
    // All wait for the same look at the clock, so at once.
    await Promise.all(
      [30 * DAY, -30 * DAY, HOUR, -HOUR].map((offsetMs) =>
        t.test(`by ${offsetMs / HOUR} h`, (inner) => recovers(inner, offsetMs)),
      ),
    )
  },
)

test('R06, R07: with the operator’s CA expired too, the agent stays up, serves nothing expired, says so, and is well with the next files', async (t) => {
  if (spawnSync('openssl', ['version']).status !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI has openssl')
    return t.skip('needs openssl, to be the operator')
  }
  const rig = createRig(t)
  const time = fakedTime(t, rig, 'clock')
  if (time === undefined) return
  const files = join(rig.folder, 'ca')
  mkdirSync(files)
  const operator = createOperator(files)
  operator.ca('short', { days: 2 })
  operator.ca('long', { days: 90 })
  const install = (name: string): void => {
    for (const end of ['key', 'pem'])
      renameSync(operator.path(`${name}.${end}`), operator.path(`in-use.${end}`))
  }
  install('short')
  const agent = await rig.agent({
    entries,
    env: time.env,
    config: {
      authority: {
        kind: 'disk',
        certFile: operator.path('in-use.pem'),
        keyFile: operator.path('in-use.key'),
      },
    },
  })
  const crowd = startCrowd(agent.socket, 1)
  rig.atEnd(() => crowd.close())
  await validAt(crowd, 0, LOOKED_MS)
  const issued = crowd.members[0]?.certificates

  time.set(30 * DAY)
  const says = async (metric: string): Promise<void> => {
    const look = async (): Promise<boolean> => (await agent.metric(metric)) === 1
    await eventually(`${metric} is 1`, look, LOOKED_MS)
  }
  await says('spindle_agent_identities_missing')
  await says('spindle_agent_authority_fault')
  const state = await ready(agent)
  assert.equal(state.ok, false)
  assert.match(state.text, /expired|ends/)
  await eventually('the log says so', () => /X\.509-SVID expired/.test(agent.child.output()))
  assert.equal(crowd.members[0]?.certificates, issued, 'nothing is sent that has expired')
  const live = await fetch(`${agent.http}/live`, { signal: AbortSignal.timeout(20_000) })
  assert.equal(live.ok, true, 'to restart it would not help')

  install('long')
  const start = performance.now()
  await validAt(crowd, 30 * DAY, LOOKED_MS)
  t.diagnostic(`valid ${(performance.now() - start).toFixed(0)} ms after the files`)
  assert.equal(crowd.members[0]?.drops, 0)
  assert.equal((await ready(agent)).ok, true)
})
