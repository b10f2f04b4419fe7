import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { PeerSvid } from '../../../../src/server/admit/peer.ts'
import { createStanding } from '../../../../src/server/enroll/standing.ts'
import type { AttestedAgent } from '../../../../src/store/model.ts'
import { agent, entry, id } from '../../../fakes/store-values.ts'
import { setUp } from './setting.ts'

const a = id('/spire/agent/a')

async function start(t: TestContext) {
  const setting = await setUp(t)
  const { registry, store, clock } = setting
  const admins = [id('/ops')]
  const standing = createStanding({ registry, agents: store.agents, admins, clock })
  const svid = (serial: string, notAfter = clock.now() + 1_000): PeerSvid => ({
    spiffeId: a,
    serial,
    notAfter,
    authorityId: '',
    chain: [],
  })
  const put = (more: Partial<AttestedAgent>) =>
    store.agents.change(a, (known) => ({ ...(known ?? agent('/spire/agent/a')), ...more }))
  return { ...setting, standing, svid, put }
}

test('createStanding says of an agent what the registry says now, as SPIRE does', async (t) => {
  const { standing, svid, put, registry, clock } = await start(t)
  assert.equal(await standing.agentFault(svid('1')), 'not-attested')
  await put({ serial: '1' })
  assert.equal(await standing.agentFault(svid('1')), undefined)
  assert.equal(await standing.agentFault(svid('2')), 'not-active')
  assert.equal(await standing.agentFault(svid('1', clock.now() - 1)), 'expired')
  await put({ banned: true })
  await registry.caughtUp()
  assert.equal(await standing.agentFault(svid('1')), 'banned')
  assert.equal(await standing.agentFault(svid('2')), 'banned')
})

test('createStanding asks the store before it turns an agent away that another server may have let in', async (t) => {
  const { standing, svid, put, store, open, clock } = await start(t)
  const behind = await open({
    ...store,
    changes: { ...store.changes, revisions: { current: 0, subscribe: () => () => undefined } },
  })
  const there = createStanding({ registry: behind, agents: store.agents, admins: [], clock })
  await put({ serial: '1' })
  assert.equal(behind.agent(a), undefined)
  assert.equal(await there.agentFault(svid('1')), undefined)
  await put({ serial: '2' })
  assert.equal(await there.agentFault(svid('2')), undefined)
  assert.equal(await there.agentFault(svid('1')), 'not-active')
  assert.equal(await standing.agentFault(svid('3')), 'not-active')
})

test('createStanding makes the SVID that an agent was given last the active one with the first call that shows it', async (t) => {
  const { standing, svid, put, store, registry } = await start(t)
  await put({ serial: '1', expiresAt: 1_000, pending: { serial: '2', expiresAt: 2_000 } })
  await registry.caughtUp()
  assert.equal(await standing.agentFault(svid('1')), undefined)
  assert.equal((await store.agents.get(a))?.serial, '1', 'the old one is good until then')
  const both = await Promise.all([standing.agentFault(svid('2')), standing.agentFault(svid('2'))])
  assert.deepEqual(both, [undefined, undefined])
  assert.deepEqual(
    await store.agents.get(a),
    agent('/spire/agent/a', { serial: '2', expiresAt: 2_000 }),
  )
  assert.equal(await standing.agentFault(svid('1')), 'not-active')
  assert.equal(await standing.agentFault(svid('2')), undefined)
})

test('createStanding lets both SVIDs of an agent in while the store is away, and turns nobody away for it', async (t) => {
  const { svid, put, registry, clock } = await start(t)
  await put({ serial: '1', pending: { serial: '2', expiresAt: 2_000 } })
  await registry.caughtUp()
  const away = () => Promise.reject(new SpindleError('store_unavailable', 'no database'))
  const standing = createStanding({
    registry: { ...registry, agent: registry.agent, refreshed: away },
    agents: { change: away },
    admins: [],
    clock,
  })
  assert.equal(await standing.agentFault(svid('2')), undefined)
  assert.equal(await standing.agentFault(svid('1')), undefined)
  // What cannot be known is not said: the agent would attest anew for it.
  await assert.rejects(standing.agentFault(svid('3')), { code: 'store_unavailable' })
})

test('createStanding knows admins by the config and by entries, and downstream servers by entries, until these expire', async (t) => {
  const { standing, store, registry, clock } = await start(t)
  const [admin, below] = [id('/admin'), id('/below')]
  const expiresAt = clock.now() + 60_000
  await store.entries.create([
    entry('/admin', { admin: true, expiresAt }),
    entry('/below', { downstream: true, expiresAt }),
    entry('/plain'),
  ])
  await registry.caughtUp()
  const answers = async () => [
    await standing.isAdmin(id('/ops')),
    await standing.isAdmin(admin),
    await standing.isAdmin(below),
    await standing.isDownstream(below),
    await standing.isDownstream(admin),
    await standing.isDownstream(id('/plain')),
  ]
  assert.deepEqual(await answers(), [true, true, false, true, false, false])
  await clock.advance(60_000)
  assert.deepEqual(await answers(), [true, false, false, false, false, false])
})
