import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthorityEvent, ServerX509Authority } from '../../../../src/authority/authority.ts'
import { createNestedAuthority } from '../../../../src/authority/server/nested.ts'
import type { UpstreamRoot } from '../../../../src/authority/server/upstream.ts'
import { createFileSlotStore } from '../../../../src/authority/slot-file.ts'
import { readCsr } from '../../../../src/certs/csr/read.ts'
import { generateKey } from '../../../../src/certs/keys.ts'
import { verifyX509Svid } from '../../../../src/certs/parse.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import { createManualClock, settle } from '../../../fakes/clock.ts'
import { createOperatorCa } from '../../../fakes/operator-ca.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { createStateFile } from '../../../fakes/state-file.ts'
import { until } from '../../../fakes/until.ts'
import { createUpstream, rootOf } from '../../../fakes/upstream.ts'

const HOUR = 3_600_000
const NOW = Date.UTC(2030, 0, 1)
const DEADLINE = 10_000
const trustDomain = parseTrustDomain('example.org')
const spiffeId = parseSpiffeId('spiffe://example.org/web')
const { spki } = await generateKey('ec-p256')
const request = { spiffeId, dnsNames: [], spki, ttlMs: HOUR / 6 }
const life = { notBefore: NOW - HOUR, notAfter: NOW + 1000 * HOUR }
const root = await createOperatorCa({ name: 'root', ...life })
const other = await createOperatorCa({ name: 'other', ...life })
const signing = await createOperatorCa({ name: 'signing', ...life, by: root })

function setting() {
  const clock = createManualClock({ now: NOW })
  const random = createSeededRandom('nested')
  const file = createStateFile()
  const events: AuthorityEvent[] = []
  const about = { clock, random, trustDomain }
  const upstream = createUpstream({ ...about, signing, above: [signing], roots: [root] })
  const open = (knownRoots: readonly UpstreamRoot[] = []): Promise<ServerX509Authority> =>
    createNestedAuthority({
      ...about,
      keyType: 'ec-p256',
      caTtlMs: HOUR,
      onEvent: (event) => events.push(event),
      store: createFileSlotStore(file, { kind: 'server', trustDomain }),
      upstream,
      knownRoots,
    })
  return { clock, events, upstream, open }
}

const away = new SpindleError('unreachable', 'connection refused')
const statuses = ({ state }: ServerX509Authority): readonly string[] =>
  state.current.slots.map((slot) => slot.status)
const kindsOf = (events: readonly AuthorityEvent[]): readonly string[] =>
  events.map((event) => event.kind)

function verify(authority: ServerX509Authority, chain: readonly Buffer[], now: number): void {
  const bundles = new Map([[trustDomain, authority.state.current.anchors]])
  assert.equal(verifyX509Svid(chain, bundles, { now, mode: 'strict' }), spiffeId)
}

test('nested: asks with a request of a key of its own, for its trust domain and its life', async () => {
  const { upstream, open } = setting()
  const authority = await open()
  assert.equal(upstream.asked.length, 1)
  const [{ csr, ttlMs } = { csr: Buffer.alloc(0), ttlMs: 0 }] = upstream.asked
  assert.equal(ttlMs, HOUR)
  assert.deepEqual(readCsr(csr).asked.uriSans, ['spiffe://example.org'])
  const { chain } = await authority.issue(request)
  assert.equal(chain.length, 3, 'leaf, own CA, the one that signed it')
  await authority.close()
  assert.equal(upstream.watchers, 0)
})

test('nested: a first start without the server above fails, at the latest when its answer is too late', async () => {
  const { clock, upstream, open } = setting()
  upstream.failure = away
  await assert.rejects(open(), away)
  upstream.failure = undefined
  upstream.hangs = true
  const opening = assert.rejects(open(), {
    code: 'authority_unavailable',
    message: /did not answer within 10 s/,
  })
  await clock.advance(DEADLINE)
  await opening
  assert.equal(upstream.asked.at(-1)?.signal.aborted, true)
  assert.equal(clock.pending, 0)
})

test('nested: restarted while the server above is away, it signs with what it has', async () => {
  const { clock, upstream, open } = setting()
  const first = await open()
  const { chain } = await first.issue(request)
  await first.close()
  upstream.hangs = true
  const second = await open(upstream.roots)
  verify(second, chain, clock.now())
  verify(second, (await second.issue(request)).chain, clock.now())
  await second.close()
})

test('nested: without a server above it signs on, asks again and again, and heals', async () => {
  const { clock, upstream, open } = setting()
  const authority = await open()
  upstream.failure = away
  await clock.advance(HOUR / 2 + 60_000)
  await until(authority.state, ({ fault }) => fault === 'connection refused')
  await authority.issue(request)
  const before = upstream.asked.length
  await clock.advance(60_000)
  const tries = upstream.asked.length - before
  assert.ok(tries >= 5 && tries <= 14, `${tries} in a minute`)
  upstream.failure = undefined
  await clock.advance(11_000)
  await until(authority.state, ({ fault, slots }) => fault === undefined && slots.length === 2)
  await authority.close()
})

test('nested: prepare waits for the deadline and no longer, and nobody else waits with it', async () => {
  const { clock, upstream, open } = setting()
  const authority = await open()
  upstream.hangs = true
  const preparing = assert.rejects(authority.prepare(), /did not answer within 10 s/)
  await settle()
  await authority.issue(request)
  await clock.advance(DEADLINE)
  await preparing
  assert.deepEqual(statuses(authority), ['active'])
  await authority.close()
})

test('nested: with nothing to sign with, all that ask wait for one question above, and end with it', async () => {
  const { clock, upstream, open } = setting()
  const authority = await open()
  const before = upstream.asked.length
  upstream.hangs = true
  clock.jump(3 * HOUR)
  const asking = Array.from({ length: 50 }, () =>
    assert.rejects(authority.issue(request), { code: 'authority_unavailable' }),
  )
  await clock.advance(DEADLINE)
  await Promise.all(asking)
  // The look of every ten seconds is due just then.
  assert.ok(upstream.asked.length - before <= 2, `${upstream.asked.length - before} questions`)
  await authority.close()
})

test('nested: close does not wait for an answer from above', async () => {
  const { clock, upstream, open } = setting()
  const authority = await open()
  upstream.hangs = true
  const preparing = assert.rejects(authority.prepare(), /closed/)
  await settle()
  await authority.close()
  await preparing
  assert.equal(upstream.asked.at(-1)?.signal.aborted, true)
  assert.equal(clock.pending, 0)
})

test('nested: a root more is in the bundle at once; what is told again changes nothing', async () => {
  const { clock, events, upstream, open } = setting()
  const authority = await open()
  const { chain } = await authority.issue(request)
  const both = [rootOf(root), rootOf(other)]
  upstream.tell(both)
  await until(authority.state, ({ anchors }) => anchors.length === 2)
  verify(authority, chain, clock.now())
  await settle()
  const told = kindsOf(events)
  upstream.tell(both.toReversed())
  await settle()
  assert.deepEqual(kindsOf(events), told)
  await authority.close()
})

test('nested: where its root is tainted it has its CA signed under another, and breaks nothing', async () => {
  const { clock, upstream, open } = setting()
  const authority = await open()
  const before = await authority.issue(request)
  upstream.signing = { signing: other, above: [] }
  upstream.tell([rootOf(root, true), rootOf(other)])
  const tainted = await until(authority.state, ({ slots }) => slots.length === 2)
  assert.deepEqual(statuses(authority), ['active', 'prepared'])
  assert.deepEqual(tainted.taintedAnchors, [rootOf(root).certificate])
  verify(authority, before.chain, clock.now())

  await clock.advance(6 * 60_000)
  await until(authority.state, ({ slots }) => slots[0]?.status === 'old')
  const after = await authority.issue(request)
  assert.notEqual(after.authorityId, before.authorityId)
  for (const { chain } of [before, after]) verify(authority, chain, clock.now())

  upstream.tell([rootOf(other)])
  await until(authority.state, ({ anchors }) => anchors.length === 1)
  assert.deepEqual(statuses(authority), ['active'])
  assert.equal(authority.state.current.taintedAnchors, undefined)
  verify(authority, after.chain, clock.now())
  assert.throws(() => verify(authority, before.chain, clock.now()))
  await authority.close()
})

test('nested: roots of which none can be used are not taken, and the fault is shown', async () => {
  const { upstream, open, events } = setting()
  const authority = await open()
  for (const roots of [[], [{ certificate: Buffer.from('no certificate'), tainted: false }]]) {
    upstream.tell(roots)
    await until(authority.state, ({ fault }) => /no root that may sign/.test(fault ?? ''))
    assert.equal(authority.state.current.anchors.length, 1)
    await authority.issue(request)
  }
  assert.ok(kindsOf(events).includes('reload_failed'))
  upstream.tell([rootOf(root), rootOf(other)])
  await until(authority.state, ({ fault }) => fault === undefined)
  await authority.close()
})
