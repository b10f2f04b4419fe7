import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Said } from '../../../../src/server/publish/fleet-view.ts'
import { shareReports } from '../../../../src/server/publish/shared-reports.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { SpiffeId } from '../../../../src/spiffe/spiffe-id.ts'
import type { AgentReport } from '../../../../src/store/model.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { id } from '../../../fakes/store-values.ts'

const [A, B] = [id('/spire/agent/a'), id('/spire/agent/b')]
const MINUTE = 60_000
const said = (sequence: number, ...x509: string[]): Said => ({ sequence, x509, jwt: [], more: [] })

/** A store of rows, which says what was asked of it and can be away. */
function setUp(t: TestContext) {
  const clock = createManualClock()
  const rows = new Map<string, AgentReport>()
  const puts: (readonly SpiffeId[])[] = []
  const lines: string[] = []
  const servers = new Map<string, number>()
  let away = false
  const expectStore = (): void => {
    if (away) throw new SpindleError('store_unavailable', 'away')
  }
  const store = {
    reports: {
      async put(server: string, reports: ReadonlyMap<SpiffeId, AgentReport | undefined>) {
        expectStore()
        puts.push(Array.from(reports.keys()))
        for (const [agent, report] of reports)
          if (report === undefined) rows.delete(`${agent} ${server}`)
          else rows.set(`${agent} ${server}`, report)
      },
      async clear(ids: readonly string[]) {
        expectStore()
        for (const [key, { serverId }] of rows) if (ids.includes(serverId)) rows.delete(key)
      },
      async ofOthers(server: string) {
        expectStore()
        return { items: Array.from(rows.values()).filter(({ serverId }) => serverId !== server) }
      },
    },
    servers: {
      list: async () => Array.from(servers, ([name, lastSeen]) => ({ id: name, lastSeen })),
      seen: async () => undefined,
      remove: async () => undefined,
    },
  }
  const open = (serverId: string) => {
    const agents = new Map<SpiffeId, Said>()
    servers.set(serverId, clock.now())
    const stream = { write: (line: string) => lines.push(line) }
    const shared = shareReports({
      serverId,
      store,
      clock,
      random: createSeededRandom(serverId),
      log: createLog({ level: 'info', format: 'json', stream, clock }),
      saidOf: (agent) => agents.get(agent),
    })
    t.after(() => shared.close())
    return {
      shared,
      says(agent: SpiffeId, what: Said | undefined) {
        if (what === undefined) agents.delete(agent)
        else agents.set(agent, what)
        shared.changed(agent)
      },
    }
  }
  return { clock, rows, puts, lines, servers, open, away: (is: boolean) => void (away = is) }
}

test('shareReports writes what agents say together, when it is something else, and takes out who has gone', async (t) => {
  const { clock, rows, puts, open } = setUp(t)
  const { says } = open('s1')
  says(A, said(1, 'x'))
  says(A, said(2, 'x'))
  says(B, said(2, 'x'))
  await clock.advance(200)
  assert.deepEqual(puts, [[A, B]])
  assert.deepEqual(rows.get(`${A} s1`), { ...said(2, 'x'), serverId: 's1', agent: A })
  says(A, said(2, 'x'))
  await clock.advance(MINUTE)
  assert.equal(puts.length, 1, 'nothing else was said')
  says(A, undefined)
  says(B, said(2, 'y'))
  await clock.advance(200)
  assert.deepEqual(
    Array.from(rows.values(), ({ agent, x509 }) => [agent, x509]),
    [[B, ['y']]],
  )
  // Evicted, which took its row, and back with the same to say before that was written.
  rows.clear()
  says(B, undefined)
  says(B, said(2, 'y'))
  await clock.advance(200)
  assert.equal(rows.size, 1)
})

test('shareReports.ofOthers: of servers that were there in the last minutes, an agent of several by each', async (t) => {
  const { clock, servers, open } = setUp(t)
  const [one, two, three] = [open('s1'), open('s2'), open('s3')]
  one.says(A, said(1, 'x'))
  two.says(A, said(2, 'y'))
  three.says(B, said(2))
  await clock.advance(200)
  const seen = await one.shared.ofOthers()
  assert.deepEqual(Array.from(seen.keys()), [A, B])
  assert.deepEqual(
    seen.get(A)?.map(({ x509 }) => x509),
    [['y']],
  )
  assert.equal((await three.shared.ofOthers()).get(A)?.length, 2)
  await clock.advance(2 * MINUTE)
  servers.set('s2', clock.now())
  await clock.advance(2 * MINUTE)
  assert.deepEqual(Array.from((await one.shared.ofOthers()).keys()), [A])
})

test('shareReports takes out what a process before it left, and servers that are gone for good; a stop takes out its own', async (t) => {
  const { clock, rows, servers, open } = setUp(t)
  for (const name of ['s1', 's2', 's3'])
    rows.set(`${A} ${name}`, { ...said(1), serverId: name, agent: A })
  servers.set('s2', clock.now() - 2 * MINUTE)
  servers.set('s3', clock.now() - 61 * MINUTE)
  const { shared, says } = open('s1')
  await clock.advance(0)
  assert.deepEqual(Array.from(rows.keys()), [`${A} s2`])
  says(B, said(1))
  await clock.advance(200)
  assert.equal(rows.size, 2)
  await shared.close()
  assert.deepEqual(Array.from(rows.keys()), [`${A} s2`])
  says(B, said(2))
  await clock.advance(MINUTE)
  assert.equal(rows.size, 1)
})

test('shareReports writes all once the store is back, and says so once', async (t) => {
  const { clock, rows, lines, open, away } = setUp(t)
  const { says } = open('s1')
  await clock.advance(0)
  away(true)
  says(A, said(1))
  await clock.advance(5 * MINUTE)
  says(B, said(1))
  await clock.advance(5 * MINUTE)
  assert.equal(lines.length, 1, lines.join(''))
  away(false)
  await clock.advance(MINUTE)
  assert.equal(rows.size, 2)
  assert.equal(lines.length, 2, lines.join(''))
})

test('shareReports writes thousands in commits of a thousand', async (t) => {
  const { clock, rows, puts, open } = setUp(t)
  const { says } = open('s1')
  for (let at = 0; at < 2_500; at++) says(id(`/spire/agent/n${at}`), said(1))
  await clock.advance(200)
  assert.deepEqual(
    puts.map(({ length }) => length),
    [1_000, 1_000, 500],
  )
  assert.equal(rows.size, 2_500)
})
