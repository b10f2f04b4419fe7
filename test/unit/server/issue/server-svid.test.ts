import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createFeed } from '../../../../src/runtime/feed.ts'
import type { AuthorityState, SlotView } from '../../../../src/authority/authority.ts'
import { createEmbeddedAuthority } from '../../../../src/authority/embedded.ts'
import { createFileSlotStore } from '../../../../src/authority/slot-file.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { keepServerSvid } from '../../../../src/server/issue/server-svid.ts'
import type { ServerSvidEvent } from '../../../../src/server/issue/server-svid.ts'
import { createManualClock, settle } from '../../../fakes/clock.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { createStateFile } from '../../../fakes/state-file.ts'
import { until } from '../../../fakes/until.ts'
import { trustDomain } from './setting.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** One of an hour, by an authority whose state can be set and that can be made to fail. */
async function setUp(t: TestContext) {
  const clock = createManualClock()
  const random = createSeededRandom('svid')
  const real = await createEmbeddedAuthority({
    trustDomain,
    keyType: 'ec-p256',
    caTtlMs: 24 * HOUR,
    clock,
    random,
    store: createFileSlotStore(createStateFile(), { kind: 'embedded', trustDomain }),
  })
  t.after(() => real.close())
  const state = createFeed<AuthorityState>(real.state.current)
  const events: ServerSvidEvent[] = []
  const authority = {
    ...real,
    state,
    failure: undefined as SpindleError | undefined,
    issued: 0,
    /** Takes over its state once it has one that is valid. */
    follow: async () => {
      const isValid = ({ status, notBefore }: SlotView): boolean =>
        status === 'active' && notBefore <= clock.now()
      state.set(await until(real.state, ({ slots }) => slots.some(isValid)))
    },
    issue: async (request: Parameters<typeof real.issue>[0]) => {
      if (authority.failure !== undefined) throw authority.failure
      authority.issued++
      return await real.issue(request)
    },
  }
  const kept = await keepServerSvid({
    trustDomain,
    authority: authority as never,
    ttlMs: HOUR,
    clock,
    random,
    onEvent: (event) => events.push(event),
  })
  t.after(() => kept.close())
  return { clock, authority, events, kept, state }
}

test('keepServerSvid: renews around the half of its life, with another key', async (t) => {
  const { clock, authority, kept } = await setUp(t)
  const first = kept.svid.current
  await clock.advance(24 * MINUTE - 10_000)
  assert.equal(authority.issued, 1)
  await clock.advance(12 * MINUTE + 20_000)
  assert.equal(authority.issued, 2)
  assert.ok(kept.svid.current.notAfter > first.notAfter)
  assert.notDeepEqual(kept.svid.current.pkcs8, first.pkcs8)
})

test('keepServerSvid: while it cannot be renewed what there is stays, and it is tried again', async (t) => {
  const { clock, authority, kept, events } = await setUp(t)
  const first = kept.svid.current
  authority.failure = new SpindleError('authority_unavailable', 'away')
  await clock.advance(40 * MINUTE)
  assert.equal(kept.svid.current, first)
  const failed = events.filter(({ kind }) => kind === 'failed')
  assert.ok(failed.length > 2 && failed.length < 400, `${failed.length} attempts`)
  authority.failure = undefined
  await clock.advance(MINUTE)
  assert.ok(kept.svid.current.notAfter > first.notAfter)
})

test('keepServerSvid: renews at once where its authority is tainted or gone, once for each state of the authority', async (t) => {
  const { authority, state } = await setUp(t)
  const healthy = state.current
  state.set({ ...healthy, taintedAnchors: healthy.anchors })
  await settle()
  assert.equal(authority.issued, 2)
  state.set(healthy)
  await settle()
  assert.equal(authority.issued, 2)
  state.set({ ...healthy, anchors: [] })
  await settle()
  assert.equal(authority.issued, 3)
})

test('keepServerSvid: after the clock was set back or forward it has one that is valid then', async (t) => {
  const { clock, kept, authority } = await setUp(t)
  for (const jump of [-3 * HOUR, 5 * HOUR]) {
    clock.jump(jump)
    // The authority has seen to one that is valid, too.
    await clock.advance(10_000)
    await authority.follow()
    await clock.advance(10_000)
    const { notAfter } = kept.svid.current
    assert.ok(notAfter > clock.now() && notAfter <= clock.now() + HOUR + 1)
  }
})
