/** With a server that is SPIRE's: it is asked, as SPIRE's agents ask. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { BundleSchema } from '#spire/api/types/bundle_pb.js'
import { EntrySchema } from '#spire/api/types/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { toPem } from '../../src/certs/parse.ts'
import { parseEntryId } from '../../src/registration/server-entry.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { LinkState, Served } from '../../src/agent/obtain/server/link.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import type { FakeSpireServer } from '../fakes/spire-server.ts'
import { startSpireServer } from '../fakes/spire-server.ts'
import { until } from '../fakes/until.ts'
import type { OpenLink } from './server-links.ts'
import { openLink } from './server-links.ts'

const isUp = ({ fault }: LinkState): boolean => fault === undefined
const namesOf = (served: Served | undefined): string[] =>
  (served?.entries ?? []).map(({ id }) => id)

const entry = (id: string, more: Partial<Entry> = {}): Entry =>
  create(EntrySchema, {
    id,
    spiffeId: { trustDomain: 'example.org', path: `/${id}` },
    parentId: { trustDomain: 'example.org', path: '/node' },
    selectors: [{ type: 'unix', value: 'uid:1001' }],
    createdAt: 1_000n,
    ...more,
  } as never)

/** The system's, that waits no longer than 50 ms for anything below 10 s. */
const hurried: Clock = {
  ...systemClock,
  after: (ms, run) => systemClock.after(ms < 10_000 ? Math.min(ms, 50) : ms, run),
}

function openAt(
  t: TestContext,
  server: FakeSpireServer,
  memory?: OpenLink,
  clock: Clock = hurried,
): Promise<OpenLink> {
  const file = join(temporaryFolder(t), 'bundle.pem')
  writeFileSync(file, server.roots.map((root) => toPem(root, 'CERTIFICATE')).join(''))
  return openLink(t, {
    config: {
      address: server.address,
      trust: { kind: 'file', file },
      attest: { kind: 'join-token', token: 't' },
    },
    clock,
    memory: memory?.memories.at(-1),
  })
}

test('a SPIRE server is polled for entries and bundles, and told the version', async (t) => {
  const server = await startSpireServer(t)
  server.entries = [entry('a', { federatesWith: ['partner.test', 'unknown.test'] })]
  server.federated.set('partner.test', create(BundleSchema, { trustDomain: 'partner.test' }))
  const { link } = await openAt(t, server)
  const { protocol } = await until(link.state, isUp)
  assert.equal(protocol, 'poll')
  assert.deepEqual([...link.served.current!.bundles.keys()].sort(), ['example.org', 'partner.test'])
  server.entries = [entry('a', { revisionNumber: 1n, hint: 'x' }), entry('b')]
  const served = await until(link.served, (value) => value?.entries.length === 2)
  assert.equal(served?.entries[0]?.hint, 'x')
  assert.deepEqual([...served!.bundles.keys()], ['example.org'])
  server.entries = []
  await until(link.served, (value) => value?.entries.length === 0)
  assert.deepEqual(server.versions, ['1.2.3'])
})

test('of many entries only those are fetched whose revision is new', async (t) => {
  const server = await startSpireServer(t)
  server.page = 2
  server.entries = ['a', 'b', 'c', 'd', 'e'].map((id) => entry(id))
  const { link } = await openAt(t, server)
  await until(link.served, (value) => value?.entries.length === 5)
  assert.deepEqual(server.asked, ['a', 'b', 'c', 'd', 'e'])
  server.asked.length = 0
  server.entries = [...server.entries.slice(1), entry('a', { revisionNumber: 1n, hint: 'x' })]
  await until(link.served, (value) => value?.entries.some(({ hint }) => hint === 'x') === true)
  assert.deepEqual(server.asked, ['a'])
})

test('an older SPIRE server, which cannot say revisions, is asked for all', async (t) => {
  const server = await startSpireServer(t)
  server.lacks.add('SyncAuthorizedEntries').add('PostStatus')
  server.entries = [entry('a')]
  const { link } = await openAt(t, server)
  await until(link.served, (value) => namesOf(value).join() === 'a')
})

test('an entry that cannot be read is skipped alone', async (t) => {
  const server = await startSpireServer(t)
  server.entries = [
    entry('a'),
    entry('b', { selectors: [] }),
    entry('c', { spiffeId: { trustDomain: 'other.test', path: '/c' } as never }),
  ]
  const { link } = await openAt(t, server)
  await until(link.state, isUp)
  assert.deepEqual(namesOf(link.served.current), ['a'])
})

test('what is asked for in one turn is signed in one call, and what is not right is not used', async (t) => {
  const server = await startSpireServer(t)
  server.entries = ['a', 'b'].map((id) => entry(id))
  const { link } = await openAt(t, server)
  await until(link.state, isUp)
  const csr = await writeCsr(await generateKey('ec-p256'))
  const [a, b] = ['a', 'b'].map(parseEntryId)
  await Promise.all([a!, b!].map((entryId) => link.signX509({ entryId, csr })))
  assert.deepEqual(server.batches, [2])

  const bad = { code: 'authority_unavailable' }
  server.signsInstead = { spiffeId: parseSpiffeId('spiffe://example.org/b') }
  await assert.rejects(link.signX509({ entryId: a!, csr }), { ...bad, message: /it is for spiffe/ })
  server.signsInstead = { spki: (await generateKey('ec-p256')).spki }
  await assert.rejects(link.signX509({ entryId: a!, csr }), { ...bad, message: /another key/ })
  server.signsInstead = {}
  server.entries = [entry('b')]
  await assert.rejects(link.signX509({ entryId: a!, csr }), { code: 'no_identity' })
})

test('a link renews its own SVID at half of its life, with another key, and goes on', async (t) => {
  const server = await startSpireServer(t)
  server.agentTtlMs = 1_500
  const { link, memories } = await openAt(t, server)
  await until(link.state, isUp)
  const first = memories.find(({ svid }) => svid !== undefined)?.svid
  const before = link.state.current.svidNotAfter ?? 0
  await until(link.state, ({ svidNotAfter = 0 }) => svidNotAfter > before)
  assert.ok(server.calls.includes('RenewAgent'))
  assert.notDeepEqual(memories.at(-1)?.svid?.pkcs8, first?.pkcs8)
})

test('a link that is banned says so, keeps what it serves and asks no more for a while', async (t) => {
  const server = await startSpireServer(t)
  server.entries = [entry('a')]
  const { link } = await openAt(t, server)
  await until(link.state, isUp)
  server.denies = 'AGENT_BANNED'
  const { fault } = await until(link.state, (state) => state.fault?.includes('banned') === true)
  assert.match(fault ?? '', /serves what it has/)
  assert.deepEqual(namesOf(link.served.current), ['a'])
  const calls = server.calls.length
  const csr = await writeCsr(await generateKey('ec-p256'))
  for (let at = 0; at < 3; at++)
    await assert.rejects(link.signX509({ entryId: parseEntryId('a'), csr }))
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.ok(server.calls.length - calls <= 6, server.calls.slice(calls).join())
})

test('a link that is forgotten by its server attests anew', async (t) => {
  const server = await startSpireServer(t)
  const { link } = await openAt(t, server)
  await until(link.state, isUp)
  const attested = (): number => server.calls.filter((name) => name === 'AttestAgent').length
  assert.equal(attested(), 1)
  server.denies = 'AGENT_NOT_ATTESTED'
  await until(link.state, () => attested() === 2)
  await until(link.state, isUp)
})

test('a server that had not heard of the agent yet is no end of it, though its token is used up', async (t) => {
  const server = await startSpireServer(t)
  const { link } = await openAt(t, server)
  await until(link.state, isUp)
  server.lacks.add('AttestAgent')
  server.denies = 'AGENT_NOT_ATTESTED'
  await until(link.state, ({ fault }) => fault?.includes('attested anew') === true)
  server.denies = undefined
  await until(link.state, isUp)
})

test('a server that renews an SVID and does not take it is not asked for others without a pause', async (t) => {
  const server = await startSpireServer(t)
  const { link } = await openAt(t, server)
  await until(link.state, isUp)
  server.calls.length = 0
  Object.assign(server, { denies: 'AGENT_NOT_ATTESTED', renews: true })
  const renewals = (): number => server.calls.filter((name) => name === 'RenewAgent').length
  await until(link.state, () => renewals() > 0)
  const { promise, resolve } = Promise.withResolvers<void>()
  systemClock.after(1_000, resolve)
  await promise
  assert.equal(renewals(), 1)
})

test('a restarted link serves from memory while the server is away, and comes back to it', async (t) => {
  const server = await startSpireServer(t)
  server.entries = [entry('a')]
  const before = await openAt(t, server)
  await until(before.link.state, isUp)
  await before.link.close()
  await server.stop()
  const { link } = await openAt(t, server, before)
  assert.deepEqual(namesOf(link.served.current), ['a'])
  assert.equal(link.state.current.agentId, 'spiffe://example.org/spire/agent/join_token/t')
  const csr = await writeCsr(await generateKey('ec-p256'))
  await assert.rejects(link.signX509({ entryId: parseEntryId('a'), csr }), {
    code: 'authority_unavailable',
  })
})

test('an SVID that a wrong clock had expired at the start is used once the clock is right', async (t) => {
  const server = await startSpireServer(t)
  const before = await openAt(t, server)
  await until(before.link.state, isUp)
  await before.link.close()
  let ahead = 3_600_000 * 20
  const clock = { ...hurried, now: () => Date.now() + ahead }
  const { link } = await openAt(t, server, before, clock)
  await until(link.state, ({ fault }) => fault !== undefined && !fault.includes('connecting'))
  const attested = server.calls.filter((name) => name === 'AttestAgent').length
  ahead = 0
  await until(link.state, isUp)
  assert.equal(server.calls.filter((name) => name === 'AttestAgent').length, attested)
})

test('a server whose authorities have all changed is not trusted, which is said', async (t) => {
  const server = await startSpireServer(t)
  const before = await openAt(t, server)
  await until(before.link.state, isUp)
  await before.link.close()
  await server.rotate(false)
  const { link } = await openAt(t, server, before)
  const { fault } = await until(link.state, (state) => state.fault?.includes('authority') === true)
  assert.match(fault ?? '', /start it with a bundle of today/)
})

test('authorities that come and go are followed, and the server is trusted by the new one', async (t) => {
  const server = await startSpireServer(t)
  const { link, memories } = await openAt(t, server)
  await until(link.state, isUp)
  await server.rotate(true)
  const anchors = (): number =>
    link.served.current?.bundles.values().next().value?.bundle.x509Authorities.length ?? 0
  await until(link.served, () => anchors() === 2)
  server.roots.shift()
  await until(link.served, () => anchors() === 1)
  await until(link.state, isUp)
  assert.equal(memories.at(-1)?.trust.authorities.length, 1)
})
