/** What `npm run bench` measures: one function a row, each on a fresh agent. Figures are milliseconds unless said. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { renderBootstrap } from '../../src/cli/demo/bootstrap.ts'
import { startEnvoy } from '../../src/cli/demo/envoy.ts'
import type { Agent, EntrySettings } from '../e2e/rig/agent.ts'
import { startAgent } from '../e2e/rig/agent.ts'
import { activeListener, get } from '../e2e/rig/rig.ts'
import { cpuSeconds, residentMiB } from './process-state.ts'
import type { Report, Streams } from './program.ts'
import { fetchRate, startLoad, startReference } from './program.ts'

export interface Bench {
  readonly folder: string
  /** The Go program. */
  readonly binary: string
  readonly envoy: string
  /** A name no other run of a row has. */
  next(): string
}

/** Figures of one run: Spindle's, and the bare reference server's where the row has one. */
export interface Figure {
  readonly spindle: number
  readonly reference?: number
}

export interface Row {
  readonly name: string
  readonly what: string
  readonly unit: string
  /** Of DESIGN part 10: `spindle` must not be above it, or not below it. */
  readonly goal: { readonly most: number } | { readonly least: number }
  readonly runs?: number
  run(bench: Bench): Promise<Figure>
}

const uid = process.getuid?.() ?? 0
const web: EntrySettings = {
  spiffeId: 'spiffe://example.org/web',
  selectors: [`unix:uid:${uid}`],
  default: true,
}
const entry = (name: string): EntrySettings => ({
  ...web,
  spiffeId: `spiffe://example.org/${name}`,
  default: false,
})

async function withAgent<T>(
  bench: Bench,
  entries: readonly EntrySettings[],
  run: (agent: Agent) => Promise<T>,
): Promise<T> {
  const agent = await startAgent(join(bench.folder, bench.next()), {
    entries,
    config: { log: { level: 'warn', format: 'json' } },
  })
  try {
    return await run(agent)
  } finally {
    await agent.stop()
  }
}

const renew = (agent: Agent): Promise<unknown> =>
  agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 30_000 })

const DEADLINE_MS = 30_000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function complete(report: Report, streams: number): Report {
  if (report.streams !== streams || report.failed > 0)
    throw new Error(`${report.streams} of ${streams} streams were served, ${report.failed} failed`)
  return report
}

/** First answers of all streams on Spindle, then on the reference. */
async function firstAnswers(bench: Bench, streams: Streams): Promise<Figure> {
  const on = async (socket: string): Promise<number> => {
    const load = startLoad(bench.binary, socket, streams)
    try {
      return complete(await load.wait(streams.streams), streams.streams).lastMs
    } finally {
      load.close()
    }
  }
  const spindle = await withAgent(bench, [web], (agent) => on(agent.socket))
  if (streams.variant === 'delta') return { spindle }
  const reference = await startReference(bench.binary, bench.folder)
  const limit = await on(reference.socket)
  reference.close()
  return { spindle, reference: limit }
}

/** From the first to the last arrival of one rotation. */
async function spread(bench: Bench, streams: Streams): Promise<Figure> {
  const on = async (socket: string, rotate: () => Promise<unknown>): Promise<number> => {
    const load = startLoad(bench.binary, socket, streams)
    try {
      complete(await load.wait(streams.streams), streams.streams)
      await pause(500)
      await load.mark()
      await rotate()
      return complete(await load.wait(streams.streams), streams.streams).spreadMs
    } finally {
      load.close()
    }
  }
  const spindle = await withAgent(bench, [web], (agent) => on(agent.socket, () => renew(agent)))
  const reference = await startReference(bench.binary, bench.folder)
  const limit = await on(reference.socket, () => reference.renew())
  reference.close()
  return { spindle, reference: limit }
}

const sotw = (streams: number, connections: number, names = ['default']): Streams => ({
  variant: 'sotw',
  streams,
  connections,
  names,
})

async function coldStart(bench: Bench, before?: (agent: Agent) => Promise<void>): Promise<number> {
  const folder = join(bench.folder, bench.next())
  const first = await startAgent(folder, { entries: [web], config: { log: { level: 'warn' } } })
  await before?.(first)
  await first.stop()
  const began = performance.now()
  const starting = first.restart()
  await accepting(first.socket)
  const took = performance.now() - began
  await (await starting).stop()
  return took
}

/** Resolves when something accepts on the path. */
async function accepting(path: string): Promise<void> {
  const end = performance.now() + DEADLINE_MS
  while (performance.now() < end) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect(path)
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('close', () => socket.destroy())
    })
    if (accepted) return
    await pause(2)
  }
  throw new Error(`nothing accepts on ${path}`)
}

async function entryToEnvoy(bench: Bench): Promise<Figure> {
  const template = readFileSync(join(import.meta.dirname, '../../envoy/sidecar-delta.yaml'), 'utf8')
  const newcomer: EntrySettings = { ...entry('newcomer'), hint: 'newcomer' }
  const app = createServer((_, answer) => answer.end('OK'))
  await new Promise<void>((resolve) => void app.listen(0, '127.0.0.1', resolve))
  const appPort = (app.address() as AddressInfo).port
  return withAgent(bench, [web], async (agent) => {
    const start = (certificateName: string, peerPort: number): ReturnType<typeof startEnvoy> =>
      startEnvoy({
        binary: bench.envoy,
        folder: join(bench.folder, bench.next()),
        config: renderBootstrap(template, {
          nodeId: certificateName,
          agentSocket: agent.socket,
          inboundPort: 0,
          outboundPort: 0,
          appPort,
          peerPort,
          certificateName,
        }),
      })
    const server = await start('default', 1)
    const client = await start('newcomer', await activeListener(server, 'inbound'))
    const outbound = await activeListener(client, 'outbound')
    try {
      const began = performance.now()
      agent.setEntries([web, newcomer])
      while ((await get(outbound)).status !== 200) {
        if (performance.now() - began > DEADLINE_MS) throw new Error('no request got through')
        await pause(2)
      }
      return { spindle: performance.now() - began }
    } finally {
      await Promise.all([server.stop(), client.stop()])
      app.closeAllConnections()
      app.close()
    }
  })
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
    what: '5,000 streams on 5,000 connections, last first answer',
    unit: 'ms',
    goal: { most: 2000 },
    run: (bench) => firstAnswers(bench, sotw(5000, 5000)),
  },
  {
    name: 'push-5000',
    what: 'one push to 5,000 streams, first to last arrival',
    unit: 'ms',
    goal: { most: 250 },
    run: (bench) => spread(bench, sotw(5000, 5000)),
  },
  {
    name: 'push-400',
    what: 'rotation of 400 streams, first to last arrival',
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
      const spindle = await withAgent(bench, [web], (agent) =>
        fetchRate(bench.binary, agent.socket, 16),
      )
      const reference = await startReference(bench.binary, bench.folder)
      const limit = await fetchRate(bench.binary, reference.socket, 16)
      reference.close()
      return { spindle, reference: limit }
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
    run: (bench) =>
      withAgent(bench, [web], async (agent) => {
        await pause(500)
        const before = residentMiB(agent.child.pid)
        const load = startLoad(bench.binary, agent.socket, sotw(1000, 1000))
        complete(await load.wait(1000), 1000)
        await pause(1000)
        const after = residentMiB(agent.child.pid)
        load.close()
        return { spindle: ((after - before) * 1024) / 1000 }
      }),
  },
  {
    name: 'idle-cpu',
    what: 'CPU used while 1,000 streams are open and nothing changes',
    unit: '% of a core',
    goal: { most: 1 },
    runs: 2,
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
