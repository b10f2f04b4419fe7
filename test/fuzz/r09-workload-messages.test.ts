/** R09, S10: whatever is asked of the Workload API, nobody gets what is not theirs, and the client beside it gets all. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig, write } from '../e2e/rig/rig.ts'
import { atScale } from '../faults/scale.ts'
import { FULL } from '../model/full.ts'
import { TELLS_WHAT_IT_KEEPS, calmOf, startBystander } from './bystander.ts'
import { createDraw, drawSeed } from './draw.ts'
import { createSource } from './jwt/contents.ts'
import { judge } from './jwt/oracle.ts'
import type { OracleKey } from './jwt/oracle.ts'
import type { Tally } from './workload/lane.ts'
import { runLane } from './workload/lane.ts'
import type { Known } from './workload/requests.ts'
import { OWN_IDS, RPCS } from './workload/requests.ts'

const CALLS = atScale(FULL ? 50_000 : 5_000, 1_000_000)
const LANES = 12
/** What it keeps: compiled code, and nothing of the calls, however many come. Room that was made for them is not given back. */
const MOST = { keptMib: 3.5, rssMib: 192 }

test(`R09: ${CALLS} calls of the Workload API, of which many are none, disturb nobody`, async (t) => {
  const seed = drawSeed(t)
  const rig = createRig(t)
  const source = createSource(createDraw(seed), Date.now())
  const bundles: Record<string, { file: string }> = {}
  for (const [name, keys] of source.bundles) {
    bundles[name] = { file: join(rig.folder, `${name}.json`) }
    write(bundles[name].file, JSON.stringify({ keys }))
  }
  const federatesWith = Object.keys(bundles)
  const agent = await rig.agent({
    ...TELLS_WHAT_IT_KEEPS,
    entries: [
      ...OWN_IDS.map((spiffeId) => ({ spiffeId, selectors: testSelectors(), federatesWith })),
      { spiffeId: 'spiffe://agent.test/other', selectors: ['unix:uid:4000000'] },
    ],
    config: {
      trustDomain: 'agent.test',
      bundles,
      workload: { foreignJwtClaims: ['nbf', 'iat', 'jti', 'x', 'n', 'deep', '__proto__', 'odd'] },
      log: { level: 'debug', format: 'json' },
    },
  })
  const bystander = await startBystander(rig, agent, 'workload')
  await bystander.more(5)
  const own = await ownKeys(agent)
  const known: Known = {
    source,
    tokens: [],
    judge(token, audience, now) {
      // WJ-8: it must be named.
      if (audience === '') return { accepted: false, why: 'no audience' }
      const keys = new Map([...source.bundles, ['agent.test', own]])
      return judge(token, { audience, keys, now })
    },
  }
  const calm = await calmOf(agent)
  const tally: Tally = {
    calls: 0,
    sound: 0,
    messages: 0,
    accepted: 0,
    refused: 0,
    ends: new Map(),
  }
  bystander.report(t)
  const before = bystander.arrivals
  const started = performance.now()
  const expectNoToken = (): void => {
    // Tokens begin with a header, which is JSON.
    const told = /eyJ[\w-]{12,}/.exec(agent.child.output())
    assert.equal(told, null, `a token in the log: ${told?.[0]}`)
  }
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    runLane(
      agent.socket,
      { draw: createDraw(seed + lane), known, tally, onConnectionEnd: expectNoToken },
      CALLS,
    ),
  )
  await Promise.all(lanes)
  const seconds = (performance.now() - started) / 1000
  t.diagnostic(`${tally.calls} calls, ${tally.messages} messages in ${seconds.toFixed(1)} s`)
  t.diagnostic(`tokens: ${tally.accepted} accepted, ${tally.refused} refused`)
  t.diagnostic(JSON.stringify([...tally.ends]))
  assert(bystander.arrivals > before, 'rotations went on meanwhile')
  bystander.report(t)

  // A test of nothing would pass too.
  const share = tally.sound / tally.calls
  assert(share > 0.5 && share < 0.8, `${share} sound`)
  assert(tally.messages > CALLS / 10)
  assert(tally.accepted > CALLS / 500 && tally.refused > CALLS / 200)
  for (const rpc of RPCS) {
    const end = `${rpc} ${rpc.startsWith('FetchWIT') ? 'UNIMPLEMENTED' : 'INVALID_ARGUMENT'}`
    assert(tally.ends.has(end), `nothing ended with ${end}`)
  }
  assert(tally.ends.has('FetchJWTSVID PERMISSION_DENIED'))

  await bystander.more(2)
  await calm.restored(t, MOST)
  expectNoToken()
})

async function ownKeys(agent: Agent): Promise<readonly OracleKey[]> {
  const answer = await agent.admin.call(AdminService.method.listBundles, {}, { deadlineMs: 20_000 })
  const document = answer.bundles.find(({ own }) => own)?.document ?? '{}'
  return (JSON.parse(document) as { readonly keys: readonly OracleKey[] }).keys
}
