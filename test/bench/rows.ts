/** What `npm run bench` measures, with the goals of DESIGN part 10. */
import type { Bench, Figure } from './measure.ts'
import {
  coldStart,
  complete,
  entry,
  entryToEnvoy,
  firstAnswers,
  onBare,
  onYardsticks,
  pause,
  renew,
  sotw,
  spread,
  web,
  withAgent,
} from './measure.ts'
import { cpuSeconds, residentMiB } from './process-state.ts'
import { fetchRate, startLoad } from './program.ts'

export interface Row {
  readonly name: string
  readonly what: string
  readonly unit: string
  /** Of DESIGN part 10 or an issue: `spindle` must not be above it, or not below it. None: it is only told. */
  readonly goal?: { readonly most: number } | { readonly least: number }
  readonly runs?: number
  run(bench: Bench): Promise<Figure>
}

export const ROWS: readonly Row[] = [
  {
    name: 'cold-start',
    what: 'cold start to a socket that accepts',
    unit: 'ms',
    goal: { most: 250 },
    run: async (bench) => ({ spindle: await coldStart(bench) }),
  },
  {
    name: 'entry-to-secret',
    what: 'entry written → secret at a client that waits for it',
    unit: 'ms',
    goal: { most: 50 },
    run: (bench) =>
      withAgent(bench, [web], async (agent) => {
        const names = ['spiffe://example.org/late']
        const load = startLoad(bench.binary, agent.socket, {
          variant: 'delta',
          streams: 1,
          connections: 1,
          names,
        })
        await pause(500)
        await load.mark()
        agent.setEntries([web, entry('late')])
        const { lastMs } = complete(await load.wait(1), 1)
        load.close()
        return { spindle: lastMs }
      }),
  },
  {
    name: 'entry-to-envoy',
    what: 'entry written → request through a real Envoy that waited for it',
    unit: 'ms',
    goal: { most: 300 },
    run: entryToEnvoy,
  },
  {
    name: 'streams-500',
    what: '500 streams on 500 connections, last first answer',
    unit: 'ms',
    goal: { most: 240 },
    run: (bench) => firstAnswers(bench, sotw(500, 500)),
  },
  {
    name: 'streams-1000',
    what: '1,000 streams on 250 connections, last first answer',
    unit: 'ms',
    goal: { most: 600 },
    run: (bench) => firstAnswers(bench, sotw(1000, 250)),
  },
  {
    name: 'streams-1000-delta',
    what: '1,000 Delta streams on 250 connections, last first answer',
    unit: 'ms',
    goal: { most: 600 },
    run: (bench) => firstAnswers(bench, { ...sotw(1000, 250), variant: 'delta' }),
  },
  {
    name: 'streams-5000',
    what: '5,000 streams on 1,000 connections, last first answer',
    unit: 'ms',
    goal: { most: 2000 },
    run: (bench) => firstAnswers(bench, sotw(5000, 1000)),
  },
  {
    name: 'push-5000',
    what: 'third push to 5,000 streams on 1,000 connections, first to last arrival',
    unit: 'ms',
    goal: { most: 250 },
    run: (bench) => spread(bench, sotw(5000, 1000)),
  },
  {
    name: 'push-400',
    what: 'third rotation of 400 streams, first to last arrival',
    unit: 'ms',
    goal: { most: 20 },
    run: (bench) => spread(bench, sotw(400, 400)),
  },
  {
    name: 'pushes-a-change',
    what: 'pushes a stream gets for one change',
    unit: '',
    goal: { most: 1 },
    run: (bench) =>
      withAgent(bench, [web], async (agent) => {
        const load = startLoad(bench.binary, agent.socket, sotw(100, 100))
        complete(await load.wait(100), 100)
        await load.mark()
        await renew(agent)
        await load.wait(100)
        await pause(500)
        const { mostOfOne } = await load.report()
        load.close()
        return { spindle: mostOfOne }
      }),
  },
  {
    name: 'pushes-unrelated',
    what: 'pushes a stream gets for an unrelated entry',
    unit: '',
    goal: { most: 0 },
    run: (bench) =>
      withAgent(bench, [web], async (agent) => {
        const load = startLoad(bench.binary, agent.socket, sotw(100, 100))
        complete(await load.wait(100), 100)
        await load.mark()
        agent.setEntries([web, entry('unrelated')])
        await pause(1000)
        const { messages } = await load.report()
        load.close()
        return { spindle: messages }
      }),
  },
  {
    name: 'fetch',
    what: 'FetchSecrets by 16 attested callers',
    unit: '/s',
    goal: { least: 8000 },
    async run(bench) {
      const rate = ({ socket }: { readonly socket: string }): Promise<number> =>
        fetchRate(bench.binary, socket, 16)
      const spindle = await withAgent(bench, [web], rate)
      return { spindle, ...(await onYardsticks(bench, rate)) }
    },
  },
  {
    name: 'entries-1000',
    what: '1,000 entries written → all their secrets at clients that wait',
    unit: 'ms',
    goal: { most: 500 },
    run: (bench) =>
      withAgent(bench, [web], async (agent) => {
        const ids = Array.from({ length: 1000 }, (_, i) => `w${i}`)
        const names = ids.map((id) => `spiffe://example.org/${id}`)
        const load = startLoad(bench.binary, agent.socket, {
          variant: 'delta',
          streams: 1000,
          connections: 10,
          names,
        })
        await pause(1500)
        await load.mark()
        agent.setEntries([web, ...ids.map(entry)])
        const { lastMs } = complete(await load.wait(1000), 1000)
        load.close()
        return { spindle: lastMs }
      }),
  },
  {
    name: 'memory-idle',
    what: 'resident memory of an agent that serves nobody',
    unit: 'MiB',
    goal: { most: 95 },
    run: (bench) =>
      withAgent(bench, [web], async (agent) => {
        await pause(1000)
        return { spindle: residentMiB(agent.child.pid) }
      }),
  },
  {
    name: 'memory-stream',
    what: 'memory of each of 1,000 streams on as many connections',
    unit: 'KiB',
    goal: { most: 42 },
    async run(bench) {
      const each = async ({ pid, socket }: { pid: number; socket: string }): Promise<number> => {
        await pause(500)
        const before = residentMiB(pid)
        const load = startLoad(bench.binary, socket, sotw(1000, 1000))
        complete(await load.wait(1000), 1000)
        await pause(1000)
        const after = residentMiB(pid)
        load.close()
        return ((after - before) * 1024) / 1000
      }
      const spindle = await withAgent(bench, [web], ({ child, socket }) =>
        each({ pid: child.pid, socket }),
      )
      return { spindle, ...(await onBare(bench, each)) }
    },
  },
  {
    name: 'idle-cpu',
    what: 'CPU used while 1,000 streams are open and nothing changes',
    unit: '% of a core',
    goal: { most: 1 },
    runs: 1,
    run: (bench) =>
      withAgent(bench, [web], async (agent) => {
        const load = startLoad(bench.binary, agent.socket, sotw(1000, 250))
        complete(await load.wait(1000), 1000)
        await pause(2000)
        const before = cpuSeconds(agent.child.pid)
        await pause(10_000)
        const used = cpuSeconds(agent.child.pid) - before
        load.close()
        return { spindle: (used / 10) * 100 }
      }),
  },
  {
    name: 'restart',
    what: 'killed and started again → serves',
    unit: 'ms',
    goal: { most: 1000 },
    run: async (bench) => ({
      spindle: await coldStart(bench, async (agent) => {
        agent.child.signal('SIGKILL')
        await agent.child.ended
      }),
    }),
  },
]
