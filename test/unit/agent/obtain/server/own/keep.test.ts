/** When an agent renews its own SVID because what signed it is tainted: with a server that the test plays. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createEmbeddedAuthority } from '../../../../../../src/authority/embedded.ts'
import { createFileSlotStore } from '../../../../../../src/authority/slot-file.ts'
import { keepOwnSvid } from '../../../../../../src/agent/obtain/server/own/keep.ts'
import type { KeepOptions } from '../../../../../../src/agent/obtain/server/own/keep.ts'
import type { OwnSvid } from '../../../../../../src/agent/obtain/server/own/svid.ts'
import { createTrust } from '../../../../../../src/agent/obtain/server/trust.ts'
import { readCsr } from '../../../../../../src/certs/csr/read.ts'
import { createFeed } from '../../../../../../src/runtime/feed.ts'
import { createManualClock, settle } from '../../../../../fakes/clock.ts'
import type { ManualClock } from '../../../../../fakes/clock.ts'
import { createScriptedRandom } from '../../../../../fakes/random.ts'
import { createStateFile } from '../../../../../fakes/state-file.ts'
import { id, td } from '../../../../../fakes/store-values.ts'
import { createKeyedSvid } from './own-svid.ts'

const HOUR = 3_600_000
const trustDomain = td('example.org')

async function setUp(t: TestContext, drawn = 0.5) {
  const clock = createManualClock()
  const random = createScriptedRandom(drawn)
  const authority = await createEmbeddedAuthority({
    trustDomain,
    keyType: 'ec-p256',
    clock,
    random,
    caTtlMs: 24 * HOUR,
    store: createFileSlotStore(createStateFile(), { kind: 'embedded', trustDomain }),
  })
  t.after(() => authority.close())
  /** Instants at which it was asked. */
  const asked: number[] = []
  let gate: Promise<void> | undefined
  const renew = async (csr: Uint8Array) => {
    asked.push(clock.now())
    await gate
    const { spki } = readCsr(Buffer.from(csr))
    const ask = { spiffeId: id('/spire/agent/a'), dnsNames: [], spki, ttlMs: HOUR }
    return { svid: { certChain: (await authority.issue(ask)).chain } }
  }
  const trust = createTrust({ authorities: authority.state.current.anchors, pinned: undefined })
  const svid = createFeed<OwnSvid | undefined>(await createKeyedSvid(authority, HOUR))
  const keeper = keepOwnSvid({
    trustDomain,
    keyType: 'ec-p256',
    clock,
    random,
    trust,
    svid,
    proof: { advice: '' } as KeepOptions['proof'],
    connections: {
      own: () => ({
        call: (_: unknown, { params }: { params: { csr: Uint8Array } }) => renew(params.csr),
      }),
    } as unknown as KeepOptions['connections'],
    recall: () => undefined,
    bootstrap: async () => undefined,
    onAttempt: () => undefined,
  })
  t.after(() => keeper.close())
  return { clock, svid, keeper, asked, hold: (until: Promise<void> | undefined) => (gate = until) }
}

/** Keys are made outside of the event loop, in real time. */
async function becomes(clock: ManualClock, there: () => boolean): Promise<void> {
  const end = performance.now() + 20_000
  while (!there() && performance.now() < end) await clock.advance(0)
  assert(there())
}

test('an SVID that a tainted authority signed is renewed within five seconds, and not by all agents at once', async (t) => {
  for (const [drawn, notBefore] of [
    [0, 0],
    [0.5, 2_400],
    [0.98, 4_800],
  ] as const) {
    const { clock, keeper, asked } = await setUp(t, drawn)
    await clock.advance(10_000)
    const told = clock.now()
    keeper.renewNow()
    // Told again, as with each change of the bundle, it does not wait for longer.
    await clock.advance(notBefore / 2)
    keeper.renewNow()
    await clock.advance(notBefore / 2)
    await settle(50)
    if (notBefore > 0) assert.deepEqual(asked, [])
    await clock.advance(100)
    await becomes(clock, () => asked.length === 1)
    assert(asked[0]! - told <= 5_000)
  }
})

test('an SVID that was asked for before its authority was tainted is asked for once more', async (t) => {
  const { clock, svid, keeper, asked, hold } = await setUp(t)
  let go = (): void => undefined
  hold(new Promise((resolve) => (go = resolve)))
  await clock.advance(0.61 * HOUR)
  await becomes(clock, () => asked.length === 1)
  const first = svid.current
  keeper.renewNow()
  go()
  hold(undefined)
  await becomes(clock, () => svid.current !== first)
  for (let second = 0; second < 8; second++) await clock.advance(1_000)
  await becomes(clock, () => asked.length === 2)
  for (let second = 0; second < 60; second++) await clock.advance(1_000)
  assert.equal(asked.length, 2)
})
