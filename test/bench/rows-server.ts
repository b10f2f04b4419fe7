/** What `npm run bench` measures of a server and its fleet: `--agents` of them, 1,000 unless said, with 50 entries each. */
import {
  BatchNewX509SVIDRequestSchema,
  BatchNewX509SVIDResponseSchema,
} from '../../src/gen/spire/api/server/svid/v1/svid_pb.js'
import { writeCsr } from '../../src/certs/csr/write.ts'
import type { Fleet } from './fleet.ts'
import { each, entryOf } from './fleet.ts'
import { pause } from './measure.ts'
import type { Bench } from './measure.ts'
import { cpuSeconds, residentMiB } from './process-state.ts'
import type { Row } from './rows.ts'

const CHANGES = 200
const RATE_MS = 3_000
const ARRIVAL_MS = 10_000

/** Of the numbers, the one that 99 of 100 do not exceed. */
const p99 = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.ceil(numbers.length * 0.99) - 1] ?? Number.NaN

/** Ms from now until each of these agents has heard of an entry with this path. */
function arrivals(agents: Fleet['agents'], path: string): Promise<readonly number[]> {
  const begun = performance.now()
  const times: number[] = []
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${path} did not come`)), ARRIVAL_MS)
    for (const agent of agents)
      agent.listener = ({ entries }) => {
        if (!entries.some(({ spiffeId }) => spiffeId?.path === path)) return
        agent.listener = undefined
        if (times.push(performance.now() - begun) < agents.length) return
        clearTimeout(late)
        resolve(times)
      }
  })
}

async function connected(bench: Bench): Promise<Fleet> {
  const fleet = await bench.fleet()
  await fleet.connect()
  return fleet
}

/** How often `run` is done in a second by 16 callers at once. */
async function rate(run: (count: number) => Promise<number>): Promise<number> {
  const end = performance.now() + RATE_MS
  const begun = performance.now()
  let [count, done] = [0, 0]
  await each(Array.from({ length: 16 }), async () => {
    while (performance.now() < end) {
      const more = await run(count++)
      done += more
    }
  })
  return (done / (performance.now() - begun)) * 1000
}

export const SERVER_ROWS: readonly Row[] = [
  {
    name: 'server-load',
    what: 'server killed and started again with the registry of the fleet → ready',
    unit: 'ms',
    goal: { most: 10_000 },
    runs: 2,
    run: async (bench) => ({ spindle: await (await bench.fleet()).restart() }),
  },
  {
    name: 'sync-connect',
    what: 'all agents of the fleet come to a server that has just started, last one up to date',
    unit: 'ms',
    runs: 1,
    async run(bench) {
      const fleet = await bench.fleet()
      await fleet.restart()
      const begun = performance.now()
      await fleet.connect()
      return { spindle: performance.now() - begun }
    },
  },
  {
    name: 'sync-memory',
    what: 'memory of the server for each connected agent, its entries not counted',
    unit: 'KiB',
    runs: 1,
    async run(bench) {
      const fleet = await bench.fleet()
      await fleet.restart()
      await pause(1_000)
      const before = residentMiB(fleet.server.child.pid)
      await fleet.connect()
      await pause(12_000)
      const used = residentMiB(fleet.server.child.pid) - before
      return { spindle: (used * 1024) / fleet.size.agents }
    },
  },
  {
    name: 'server-memory',
    what: 'resident memory of a server with the whole fleet connected',
    unit: 'MiB',
    runs: 1,
    async run(bench) {
      const fleet = await connected(bench)
      await pause(12_000)
      return { spindle: residentMiB(fleet.server.child.pid) }
    },
  },
  {
    name: 'sync-idle',
    what: 'CPU used while all agents are connected and nothing changes',
    unit: '% of a core',
    goal: { most: 1 },
    runs: 1,
    async run(bench) {
      const fleet = await connected(bench)
      await pause(12_000)
      const before = cpuSeconds(fleet.server.child.pid)
      await pause(10_000)
      return { spindle: ((cpuSeconds(fleet.server.child.pid) - before) / 10) * 100 }
    },
  },
  {
    name: 'sync-change',
    what: 'entry created by the API → the agent it is for, p99 of 200, the others connected',
    unit: 'ms',
    goal: { most: 50 },
    async run(bench) {
      const fleet = await connected(bench)
      const run = bench.next()
      const times: number[] = []
      for (let at = 0; at < CHANGES; at++) {
        const agent = fleet.agents[(at * 7) % fleet.agents.length]!
        const path = `/change/${run}/${at}`
        const arrived = arrivals([agent], path)
        await fleet.create([entryOf(agent.spiffeId, path)])
        times.push(...(await arrived))
      }
      return { spindle: p99(times) }
    },
  },
  {
    name: 'sync-change-all',
    what: 'entry created by the API → every agent of the fleet, p99 of them',
    unit: 'ms',
    async run(bench) {
      const fleet = await connected(bench)
      const run = bench.next()
      // An agent may serve what is below an entry that it may serve.
      const group = `spiffe://example.org/group/${run}`
      await fleet.create(fleet.agents.map(({ spiffeId }) => entryOf(spiffeId, `/group/${run}`)))
      await pause(2_000)
      const arrived = arrivals(fleet.agents, `/all/${run}`)
      await fleet.create([entryOf(group, `/all/${run}`)])
      return { spindle: p99(await arrived) }
    },
  },
  {
    name: 'entry-create',
    what: 'entries created one a call by 16 callers, SQLite',
    unit: '/s',
    goal: { least: 1_000 },
    async run(bench) {
      const fleet = await bench.fleet()
      const run = bench.next()
      const nobody = 'spiffe://example.org/nobody'
      return {
        spindle: await rate(async (count) => {
          await fleet.create([entryOf(nobody, `/create/${run}/${count}`)])
          return 1
        }),
      }
    },
  },
  {
    name: 'svid-sign',
    what: 'X.509-SVIDs signed for agents, 50 a call, each signature checked',
    unit: '/s',
    goal: { least: 3_000 },
    async run(bench) {
      const fleet = await connected(bench)
      const csr = await writeCsr(fleet.key)
      const signers = await Promise.all(
        fleet.agents.slice(0, 4).map(async (agent) => {
          const entries = Array.from({ length: 50 }, (_, at) =>
            entryOf(agent.spiffeId, `/sign/${bench.next()}/${at}`),
          )
          const ids = await fleet.create(entries)
          return { agent, params: ids.map((entryId) => ({ entryId, csr })) }
        }),
      )
      const schemas = {
        input: BatchNewX509SVIDRequestSchema,
        output: BatchNewX509SVIDResponseSchema,
      }
      return {
        spindle: await rate(async (count) => {
          const { agent, params } = signers[count % signers.length]!
          const path = '/spire.api.server.svid.v1.SVID/BatchNewX509SVID'
          const { results } = await agent.call(path, schemas, { params })
          const failed = results.find(({ status }) => status?.code !== 0)
          if (failed !== undefined) throw new Error(failed.status?.message)
          return results.length
        }),
      }
    },
  },
]
