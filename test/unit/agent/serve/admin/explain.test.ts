import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { explain } from '../../../../../src/agent/serve/admin/explain.ts'
import type { ExplainParts } from '../../../../../src/agent/serve/admin/explain.ts'
import type { Caller } from '../../../../../src/agent/match/caller.ts'
import type { Grant } from '../../../../../src/agent/serve/grant/grant.ts'
import type { Uses } from '../../../../../src/agent/serve/workload/uses.ts'
import type { Sds } from '../../../../../src/agent/serve/sds.ts'
import type { Entry } from '../../../../../src/registration/entry.ts'
import { createRegistry } from '../../../../../src/registration/match.ts'
import type { Selector, SelectorKind } from '../../../../../src/registration/selector.ts'
import type { SpiffeId, TrustDomain } from '../../../../../src/spiffe/spiffe-id.ts'
import { createFakeAttestor } from '../../../../fakes/attestor.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { createFakeCaller } from '../../../../fakes/caller.ts'
import { createFakeConnection } from '../../../../fakes/connection.ts'
import { entry } from '../../obtain/setting.ts'

const PEER = { pid: 7, uid: 1001, gid: 1002, startTime: '1000' }
const of = (name: string, selectors: readonly string[], more: Partial<Entry> = {}): Entry =>
  entry(name, { selectors: selectors as Selector[], ...more })

/** An agent with `entries`, asked about process 7, which has uid 1001. */
function setUp(entries: readonly Entry[]) {
  const clock = createManualClock()
  const attestor = createFakeAttestor(clock, 'unix:uid:1001', 'unix:gid:1002')
  let released = 0
  const streams: object[] = []
  const grants = new Map<Caller, Grant>()
  const uses = new Map<Caller, Uses>()
  const parts: ExplainParts = {
    attestor,
    clock,
    registry: createRegistry(entries),
    policy: {
      reserved: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
      aliases: new Map([['alias', 'spiffe://example.org/web' as SpiffeId]]),
      trustDomain: 'example.org' as TrustDomain,
      unregisteredBundles: false,
    },
    sds: { streams, sidecars: new Map() } as unknown as Sds,
    workload: { uses },
    grants: { all: grants },
    connections: () => [
      createFakeConnection(PEER),
      createFakeConnection({ ...PEER, startTime: '2000' }),
    ],
    bundleFault: () => undefined,
    open: () => ({ peer: PEER, alive: () => true, release: () => void (released += 1) }),
    identityOf: () => undefined,
  }
  const ask = (name = '', more: Partial<ExplainParts> = {}) =>
    explain({ ...parts, ...more }, { pid: 7, name })
  return { ask, attestor, clock, grants, uses, released: () => released }
}

const WEB = of('web', ['unix:uid:1001'])

test('explain: what is missing is told with what the process has of that kind', async () => {
  const entries = [of('api', ['unix:uid:1002', 'unix:user:api', 'unix:path:/x', 'unix:gid:1002'])]
  const { ask, attestor } = setUp(entries)
  attestor.unknownKinds = ['unix:path'] as SelectorKind[]
  const { near } = await ask()
  assert.deepEqual(
    near[0]?.missing.map(({ selector, has, unknown }) => ({ selector, has, unknown })),
    [
      { selector: 'unix:uid:1002', has: ['unix:uid:1001'], unknown: false },
      { selector: 'unix:user:api', has: [], unknown: false },
      { selector: 'unix:path:/x', has: [], unknown: true },
    ],
  )
})

test('explain: an entry that would grant the name comes before one that is nearer', async () => {
  const far = of('far', ['unix:uid:1', 'unix:gid:1', 'unix:user:far'], { hint: 'wanted' })
  const others = Array.from({ length: 9 }, (_, i) => of(`near-${i}`, [`unix:uid:${i}`]))
  const { ask } = setUp([...others, far])
  const named = await ask('wanted')
  assert.equal(named.near[0]?.spiffeId, far.spiffeId)
  assert.deepEqual(
    named.near.map(({ grantsName }) => grantsName),
    [true, false, false, false, false],
  )
  assert.equal((await ask()).near[0]?.spiffeId, others[0]?.spiffeId)
  assert(!(await ask('nobody-has-this')).near.some(({ grantsName }) => grantsName))
})

test('explain: names the bundles that may be asked for, aliases included, and none without an entry', async () => {
  const aliased = of('web', ['unix:uid:1001'], { federatesWith: ['partner.test' as TrustDomain] })
  const { bundleNames, entries } = await setUp([aliased]).ask()
  assert.deepEqual(bundleNames, ['ROOTCA', 'ALL', 'spiffe://example.org', 'spiffe://partner.test'])
  assert.deepEqual(entries[0]?.names, ['default', 'alias', 'spiffe://example.org/web'])
  assert.deepEqual((await setUp([of('web', ['unix:uid:1'])]).ask()).bundleNames, [])
})

test('explain: an identity that cannot be issued is pending, with its next attempt', async () => {
  const { ask, clock } = setUp([WEB])
  const retryAt = clock.now() + 5_000
  const identityOf = () => ({ current: undefined, fault: 'the CA is away', retryAt })
  const answer = await ask('default', { identityOf })
  assert.deepEqual([answer.nameState, answer.nameWhy], ['pending', 'the CA is away'])
  assert.equal(timestampMs(answer.entries[0]!.retryAt!), retryAt)
  const issuing = () => ({ current: undefined, fault: undefined, retryAt: undefined })
  assert.equal((await ask('default', { identityOf: issuing })).nameState, 'pending')
  assert.equal((await ask('default')).nameState, 'present', 'nobody uses it yet')
})

test('explain: a bundle that there is nothing of is pending, with why', async () => {
  const { ask } = setUp([WEB])
  const empty = await ask('ROOTCA', { bundleFault: () => 'no X.509 authorities are known' })
  assert.deepEqual([empty.nameState, empty.nameWhy], ['pending', 'no X.509 authorities are known'])
  assert.equal((await ask('ROOTCA')).nameState, 'present')
})

test('explain: what hangs on a selector that is not known is undecided, not absent', async () => {
  const { ask, attestor, grants, clock } = setUp([of('web', ['unix:sha256:aa'])])
  attestor.unknownKinds = ['unix:sha256'] as SelectorKind[]
  const alone = await ask('default')
  assert.equal(alone.nameState, 'pending')
  assert.match(alone.undecided, /could not be looked up/)
  assert.equal(alone.attestedAgainAt, undefined, 'nothing is retried for who is not connected')
  const state = { current: { undecided: 'attestation failed: x', retryAt: clock.now() + 7_000 } }
  grants.set({ connection: createFakeConnection(PEER), state } as unknown as Caller, {} as Grant)
  const connected = await ask('default')
  assert.equal(connected.undecided, 'attestation failed: x')
  assert.equal(timestampMs(connected.attestedAgainAt!), clock.now() + 7_000)
})

test('explain: connections are those of the very process, not of one that had its number before', async () => {
  const { ask, released } = setUp([WEB])
  assert.equal((await ask()).connections.length, 1)
  assert.equal(released(), 1, 'and the process is let go of')
})

test('explain: what a process chose is shown without control characters', async () => {
  const { ask, attestor } = setUp([WEB])
  const attest = attestor.attest.bind(attestor)
  attestor.attest = async (...args) => {
    const found = await attest(...args)
    const exe = '/tmp/\x1b[2Jenvoy'
    return { ...found, process: { ...found.process, exe }, notes: [`runs ${exe}`] }
  }
  const { executable, notes } = await ask()
  assert.deepEqual([executable, ...notes], ['/tmp/?[2Jenvoy', 'runs /tmp/?[2Jenvoy'])
})

test('explain: what the process makes of the Workload API is told, and what others make of it is not', async () => {
  const { ask, uses } = setUp([WEB])
  const use = { streams: new Set<never>(), answers: 3, answeredAt: 5, refusal: undefined }
  uses.set(createFakeCaller(PEER), new Map([['FetchJWTSVID', use]]))
  uses.set(createFakeCaller({ ...PEER, startTime: '2000' }), new Map([['ValidateJWTSVID', use]]))
  const { workloadUses } = await ask()
  assert.deepEqual(
    workloadUses.map(({ method, state, answers }) => [method, state, answers]),
    [['FetchJWTSVID', 'answered', 3]],
  )
})

test('explain: before the entries have come from the server nothing is said to be absent', async () => {
  const { ask } = setUp([WEB])
  const answer = await ask('default', { registry: undefined })
  assert.deepEqual(
    [answer.nameState, answer.entries, answer.near, answer.undecided],
    ['pending', [], [], answer.nameWhy],
  )
  assert.match(answer.nameWhy, /have not come from the server yet/)
})
