import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { SelectorMatch_MatchBehavior as Match } from '#spire/api/types/selector_pb.js'
import { agent, id, selectors } from '../../../../fakes/store-values.ts'
import { setUp } from './setting.ts'

const { countAgents, listAgents, getAgent, deleteAgent, banAgent } = Agent.method
const idOf = (path: string) => ({ trustDomain: 'example.org', path })

const AGENTS = [
  agent('/spire/agent/join_token/a', { serial: '1', expiresAt: 1_700_000_000_999, version: '1.0' }),
  agent('/spire/agent/x509pop/b', {
    attestationType: 'x509pop',
    serial: '2',
    expiresAt: 1_800_000_000_000,
    canReattest: true,
    selectors: selectors('x509pop:subject:cn:b', 'x509pop:serialnumber:01'),
  }),
  agent('/spire/agent/x509pop/c', {
    attestationType: 'x509pop',
    serial: '3',
    expiresAt: 1_900_000_000_000,
    canReattest: true,
    banned: true,
    selectors: selectors('x509pop:subject:cn:c'),
  }),
]

async function registered(t: TestContext) {
  const setting = await setUp(t)
  for (const one of AGENTS) await setting.store.agents.change(one.id, () => one)
  return setting
}

test('GetAgent shows an agent as SPIRE does: a banned one has no serial number', async (t) => {
  const { call } = await registered(t)
  const shown = await call(getAgent, { id: idOf('/spire/agent/join_token/a') })
  assert.deepEqual(
    { ...shown, id: { ...shown.id } },
    {
      $typeName: 'spire.api.types.Agent',
      id: { $typeName: 'spire.api.types.SPIFFEID', ...idOf('/spire/agent/join_token/a') },
      attestationType: 'join_token',
      x509svidSerialNumber: '1',
      x509svidExpiresAt: 1_700_000_000n,
      selectors: [],
      banned: false,
      canReattest: false,
      agentVersion: '1.0',
    },
  )
  const banned = await call(getAgent, { id: idOf('/spire/agent/x509pop/c') })
  assert.deepEqual([banned.banned, banned.x509svidSerialNumber], [true, ''])
  assert.deepEqual(
    banned.selectors.map(({ type, value }) => [type, value]),
    [['x509pop', 'subject:cn:c']],
  )
})

test('a mask leaves what it names, and the ID', async (t) => {
  const { call } = await registered(t)
  const request = { id: idOf('/spire/agent/x509pop/b') }
  const none = await call(getAgent, { ...request, outputMask: {} })
  assert.equal(none.id?.path, request.id.path)
  assert.deepEqual(
    [none.attestationType, none.x509svidSerialNumber, none.selectors.length, none.canReattest],
    ['', '', 0, false],
  )
  const some = await call(getAgent, {
    ...request,
    outputMask: { x509svidSerialNumber: true, selectors: true, canReattest: true },
  })
  assert.deepEqual(
    [some.attestationType, some.x509svidSerialNumber, some.selectors.length, some.canReattest],
    ['', '2', 2, true],
  )
  const { agents } = await call(listAgents, { outputMask: { attestationType: true } })
  assert.deepEqual(
    agents.map((one) => [one.attestationType, one.x509svidExpiresAt]),
    [
      ['join_token', 0n],
      ['x509pop', 0n],
      ['x509pop', 0n],
    ],
  )
})

const FILTERS = [
  [{}, 'abc'],
  [{ byAttestationType: 'x509pop' }, 'bc'],
  [{ byBanned: true }, 'c'],
  [{ byBanned: false }, 'ab'],
  [{ byCanReattest: true, byBanned: false }, 'b'],
  [{ byExpiresBefore: '2024-01-01T00:00:00Z' }, 'a'],
  [{ byExpiresBefore: '2030-01-01 00:00:00 +0000 UTC' }, 'ab'],
  [{ byExpiresBefore: '2023-11-15 00:13:20 +0200 +02' }, ''],
  [{ byExpiresBefore: '2023-11-14 22:13:21 -0000 -00' }, 'a'],
] as const
for (const [filter, found] of FILTERS)
  test(`agents by ${JSON.stringify(filter)} are ${found === '' ? 'none' : found}`, async (t) => {
    const { call } = await registered(t)
    const { agents } = await call(listAgents, { filter })
    assert.equal(agents.map((one) => one.id?.path.at(-1)).join(''), found)
    assert.equal((await call(countAgents, { filter })).count, found.length)
  })

test('agents by selectors, in each way to match', async (t) => {
  const { call } = await registered(t)
  const [cn, serial, other] = [
    { type: 'x509pop', value: 'subject:cn:b' },
    { type: 'x509pop', value: 'serialnumber:01' },
    { type: 'x509pop', value: 'subject:cn:c' },
  ]
  const found = async (match: Match, all: readonly { type: string; value: string }[]) => {
    const filter = { bySelectorMatch: { match, selectors: [...all] } }
    const { agents } = await call(listAgents, { filter })
    assert.equal((await call(countAgents, { filter })).count, agents.length)
    return agents.map((one) => one.id?.path.at(-1)).join('')
  }
  assert.equal(await found(Match.MATCH_EXACT, [cn!, serial!]), 'b')
  assert.equal(await found(Match.MATCH_EXACT, [cn!]), '')
  assert.equal(await found(Match.MATCH_SUPERSET, [cn!]), 'b')
  assert.equal(await found(Match.MATCH_SUBSET, [cn!, serial!, other!]), 'bc')
  assert.equal(await found(Match.MATCH_ANY, [serial!, other!]), 'bc')
})

test('a filter that is none is refused, so that nobody purges by it', async (t) => {
  const { call } = await registered(t)
  for (const byExpiresBefore of [
    'soon',
    '2024-01-01',
    '2024-13-01T00:00:00Z',
    '2024-01-01 00:00:00',
  ])
    for (const ask of [
      () => call(listAgents, { filter: { byExpiresBefore } }),
      () => call(countAgents, { filter: { byExpiresBefore } }),
    ])
      await assert.rejects(ask, { code: 3, details: /^failed to parse expires before: / })
  for (const all of [[{ type: '', value: 'a' }], [{ type: 'a', value: '' }], []])
    await assert.rejects(
      call(listAgents, { filter: { bySelectorMatch: { match: 0, selectors: all } } }),
      { code: 3, details: /^failed to parse selectors: / },
    )
})

test('ListAgents in pages is all, once, in one order', async (t) => {
  const { call } = await registered(t)
  const paths: (string | undefined)[] = []
  let pageToken = ''
  let pages = 0
  do {
    const page = await call(listAgents, { pageSize: 2, pageToken })
    paths.push(...page.agents.map((one) => one.id?.path))
    pageToken = page.nextPageToken
    pages++
  } while (pageToken !== '')
  assert.deepEqual(
    paths,
    AGENTS.map((one) => one.id.slice('spiffe://example.org'.length)),
  )
  assert.equal(pages, 2)
  assert.equal((await call(listAgents, {})).nextPageToken, '')
  await assert.rejects(call(listAgents, { pageSize: 2, pageToken: 'nonsense' }), { code: 3 })
  await assert.rejects(call(listAgents, { pageSize: -1 }), { code: 3 })
})

test('DeleteAgent evicts, BanAgent bans, and both are told before they are answered', async (t) => {
  const { call, store, registry, audited } = await registered(t)
  const [a, b] = AGENTS.map((one) => one.id)
  await store.agents.change(b!, (one) => ({ ...one!, pending: { serial: '9', expiresAt: 9 } }))
  await call(deleteAgent, { id: idOf('/spire/agent/join_token/a') })
  assert.equal(registry.agent(a!), undefined)
  await call(banAgent, { id: idOf('/spire/agent/x509pop/b') })
  const banned = registry.agent(b!)
  assert.deepEqual([banned?.banned, banned?.pending], [true, undefined])
  assert.deepEqual(
    audited().map((event) => event.event === 'changed' && [event.object, event.key, event.action]),
    [
      ['agent', a, 'evict'],
      ['agent', b, 'ban'],
    ],
  )
  // A ban goes with the agent.
  await call(deleteAgent, { id: idOf('/spire/agent/x509pop/b') })
  assert.equal(await store.agents.get(b!), undefined)
})

type Given = { readonly id?: { trustDomain: string; path: string } }

test('an ID that is no agent’s, or nobody’s, is told as SPIRE tells it', async (t) => {
  const { call, store, audited } = await registered(t)
  const INVALID = [
    [undefined, 'request must specify SPIFFE ID'],
    [{ trustDomain: 'other.org', path: '/spire/agent/a' }, /is not a member of trust domain/],
    [idOf(''), /path is empty/],
    [idOf('/web'), /path is not in the agent namespace/],
    [idOf('/spire/agent'), /path is not in the agent namespace/],
    [idOf('/spire/server'), /path is not in the agent namespace/],
    [idOf('spire/agent/a'), /leading slash/],
    [{ trustDomain: 'ex ample.org', path: '/spire/agent/a' }, /./],
  ] as const
  const asks = [
    (given: Given) => call(getAgent, given),
    (given: Given) => call(deleteAgent, given),
    (given: Given) => call(banAgent, given),
  ]
  for (const ask of asks) {
    for (const [given, why] of INVALID)
      await assert.rejects(ask(given === undefined ? {} : { id: given }), (thrown) => {
        const { code, details } = thrown as { code: number; details: string }
        assert.equal(code, 3)
        assert.ok(details.startsWith('invalid agent ID: '), details)
        if (typeof why === 'string') assert.ok(details.endsWith(why))
        else assert.match(details, why)
        return true
      })
    await assert.rejects(ask({ id: idOf('/spire/agent/x509pop/nobody') }), {
      code: 5,
      details: 'agent not found',
    })
  }
  assert.equal(await store.agents.get(id('/spire/agent/x509pop/nobody')), undefined)
  assert.deepEqual(audited(), [])
})
