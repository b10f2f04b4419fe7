import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PageStateParts } from '../../../src/agent/page-state.ts'
import { describePage } from '../../../src/agent/page-state.ts'
import type { HeldSecretView, SdsStream } from '../../../src/agent/serve/stream.ts'
import type { Entry } from '../../../src/registration/entry.ts'
import { createRegistry } from '../../../src/registration/match.ts'
import { parseSelector } from '../../../src/registration/selector.ts'
import { createFeed } from '../../../src/runtime/feed.ts'
import { createFakeAuthority, createFakeJwtAuthority } from '../../fakes/authority.ts'
import { createFakeCaller } from '../../fakes/caller.ts'
import { createManualClock } from '../../fakes/clock.ts'
import { createFakeIdentities } from '../../fakes/identities.ts'
import { entry } from './obtain/setting.ts'

const uid = parseSelector('unix:uid:1001')
const web = entry('web', { selectors: [uid], hint: 'internal', default: true })
const batch = entry('batch', { selectors: [parseSelector('unix:path:/bin/batch'), uid].toSorted() })

function streamOf(sidecar: object, held: Partial<HeldSecretView>): SdsStream {
  const secret = { name: 'default', sent: undefined, acked: undefined, why: '', ...held }
  return {
    sidecar,
    variant: 'delta',
    node: { id: 'web-1', cluster: 'web', envoyVersion: '1.40.0' },
    held: () => [secret],
  } as unknown as SdsStream
}

function parts(more: Partial<PageStateParts> = {}): PageStateParts {
  const clock = createManualClock()
  const identities = createFakeIdentities()
  identities.set(web, 'a', 5_000)
  identities.fail(batch, 'the CA is away')
  const entries = createFeed(createRegistry([web, batch]))
  const state = { name: 'entries', file: 'e.yaml', loadedAt: 1, fault: 'line 3' }
  return {
    config: {
      trustDomain: 'example.org',
      socket: '/run/a.sock',
      authority: { kind: 'embedded' },
    } as PageStateParts['config'],
    version: '1.2.3',
    startedAt: 7,
    clock,
    handle: 'peer-pidfd',
    connections: () => 3,
    sds: { streams: new Set() } as unknown as PageStateParts['sds'],
    workload: { uses: new Map(), streams: new Set() },
    identities,
    authority: createFakeAuthority(clock),
    jwtAuthority: createFakeJwtAuthority(clock),
    bundles: { feed: createFeed(new Map()) } as unknown as PageStateParts['bundles'],
    sources: { entries, states: () => [state] } as unknown as PageStateParts['sources'],
    nacks: async () => ({ ocsp: 2 }),
    ...more,
  }
}

test('describePage() tells entries with their certificate, their users, and who is near', async () => {
  const caller = createFakeCaller({ pid: 12, uid: 1001 })
  caller.matches(web)
  const { attestation, match } = caller.state.current
  caller.state.set({
    attestation: { ...attestation!, selectors: new Set([uid]) },
    match,
    undecided: undefined,
  })
  const held: Partial<HeldSecretView> = {
    status: 'rejected',
    sent: 'v2',
    acked: 'v1',
    kind: 'svid',
    sentAt: 10,
    notAfter: 20,
    rejection: 'ocsp',
  }
  const ofOne = { caller }
  const streams = new Set([streamOf(ofOne, held), streamOf(ofOne, { status: 'waiting', why: 'x' })])
  const sds = { streams } as unknown as PageStateParts['sds']
  const given = parts({ sds })
  const page = await describePage(given)
  assert.deepEqual(page.entries, [
    {
      id: 'web',
      spiffeId: web.spiffeId,
      selectors: ['unix:uid:1001'],
      hint: 'internal',
      default: true,
      federatesWith: [],
      issuedAt: 0,
      renewsAt: 2_500,
      expiresAt: 5_000,
      usedBy: ['fake:1'],
      users: 1,
      near: [],
    },
    {
      id: 'batch',
      spiffeId: batch.spiffeId,
      selectors: ['unix:path:/bin/batch', 'unix:uid:1001'],
      hint: '',
      default: false,
      federatesWith: [],
      fault: 'the CA is away',
      usedBy: [],
      users: 0,
      near: [{ sidecar: 'fake:1', missing: ['unix:path:/bin/batch'] }],
    },
  ])
  const [sidecar, ...others] = page.sidecars
  assert.equal(others.length, 0, 'both streams are of one sidecar')
  const { id, pid, uid: owner, path, nodeId, envoyVersion, spiffeIds, secrets } = sidecar!
  assert.deepEqual(
    [id, pid, owner, path, nodeId, envoyVersion, spiffeIds],
    ['fake:1', 12, 1001, '/usr/bin/envoy', 'web-1', '1.40.0', [web.spiffeId]],
  )
  const common = { name: 'default', variant: 'delta' }
  assert.deepEqual(secrets, [
    {
      ...common,
      kind: 'svid',
      state: 'rejected',
      version: 'v2',
      acknowledgedVersion: 'v1',
      sentAt: 10,
      expiresAt: 20,
      rejection: 'ocsp',
    },
    { ...common, kind: '', state: 'waiting', version: '', acknowledgedVersion: '', why: 'x' },
  ])
  assert.equal(page.at, given.clock.now())
})

test('describePage() takes who has an entry for near only where nobody is any nearer', async () => {
  const known = (pid: number, ...matched: readonly Entry[]) => {
    const caller = createFakeCaller({ pid })
    caller.matches(...matched)
    const { attestation, match } = caller.state.current
    const selectors = new Set([uid])
    caller.state.set({ attestation: { ...attestation!, selectors }, match, undecided: undefined })
    return streamOf(
      { caller: Object.assign(caller, { connection: { ...caller.connection, id: `c${pid}` } }) },
      {},
    )
  }
  const nearOf = async (...streams: readonly SdsStream[]) => {
    const sds = { streams: new Set(streams) } as unknown as PageStateParts['sds']
    const { entries } = await describePage(parts({ sds }))
    return entries.map(({ near }) => near.map(({ sidecar }) => sidecar))
  }
  assert.deepEqual(await nearOf(known(1, web)), [[], ['c1']], 'nobody uses it')
  assert.deepEqual(await nearOf(known(1, web), known(2)), [[], ['c2']])
  assert.deepEqual(await nearOf(known(1, web), known(3, batch)), [[], []], 'it is used')
})

test('describePage() tells the agent, CAs, files and NACKs, and nothing that is a key', async () => {
  const page = await describePage(parts())
  assert.deepEqual(page.agent, {
    version: '1.2.3',
    trustDomain: 'example.org',
    pid: process.pid,
    startedAt: 7,
    socket: '/run/a.sock',
    connections: 3,
    streams: 0,
    workloadStreams: 0,
    peerCredentials: 'peer-pidfd',
  })
  assert.deepEqual(page.authority, {
    kind: 'embedded',
    slots: [{ authorityId: 'a', status: 'active', notBefore: 0, notAfter: 2 ** 50 }],
    jwtSlots: [{ authorityId: 'a', status: 'active', notBefore: 0, notAfter: 2 ** 50 }],
  })
  assert.deepEqual(page.sources, [
    { name: 'entries', file: 'e.yaml', loadedAt: 1, fault: 'line 3' },
  ])
  assert.deepEqual(page.nacks, { ocsp: 2 })
  assert.doesNotMatch(JSON.stringify(page), /pkcs8|key a|chain a/)
})

test('describePage() tells some of very many entries, and counts all', async () => {
  const many = Array.from({ length: 6_000 }, (_, n) => entry(`e${n}`, { selectors: [uid] }))
  const sources = {
    entries: createFeed(createRegistry(many)),
    states: () => [],
  } as unknown as PageStateParts['sources']
  const page = await describePage(parts({ sources }))
  assert.deepEqual([page.entries.length, page.entryCount, page.nearComplete], [5_000, 6_000, false])
})

test('describePage() tells who uses the Workload API, and counts them among the users of an entry', async () => {
  const caller = createFakeCaller({ pid: 12 })
  caller.matches(web)
  const use = { streams: new Set<never>(), answers: 2, answeredAt: 9, refusal: undefined }
  const uses = new Map([[caller, new Map([['FetchJWTSVID', use]] as const)]])
  const { agent, workloads, entries } = await describePage(
    parts({ workload: { uses, streams: new Set() } }),
  )
  assert.equal(agent.workloadStreams, 0)
  assert.deepEqual(
    workloads.map(({ id, pid, spiffeIds, uses: of }) => ({ id, pid, spiffeIds, of })),
    [
      {
        id: 'fake:1',
        pid: 12,
        spiffeIds: [web.spiffeId],
        of: [{ method: 'FetchJWTSVID', state: 'answered', version: '', answers: 2, sentAt: 9 }],
      },
    ],
  )
  assert.deepEqual(entries[0]?.usedBy, ['fake:1'])
})
