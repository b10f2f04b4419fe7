/** How the rows of `npm run bench` are measured: each on a fresh agent. Figures are milliseconds unless said. */
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
import type { Fleet } from './fleet.ts'
import type { Load, Report, Streams, Yardstick } from './program.ts'
import { startBare, startLoad, startReference } from './program.ts'

export interface Bench {
  readonly folder: string
  /** The Go program. */
  readonly binary: string
  readonly envoy: string
  /** Whether rows with a reference are measured on bare grpc-js too. */
  readonly bare: boolean
  /** A name no other run of a row has. */
  next(): string
  /** A server and its fleet, the same for all rows. */
  fleet(): Promise<Fleet>
}

/** Figures of one run: Spindle's, and those of the bare servers on grpc-go and grpc-js where the row has them. */
export interface Figure {
  readonly spindle: number
  readonly reference?: number
  readonly bare?: number
}

const uid = process.getuid?.() ?? 0
export const web: EntrySettings = {
  spiffeId: 'spiffe://example.org/web',
  selectors: [`unix:uid:${uid}`],
  default: true,
}
export const entry = (name: string): EntrySettings => ({
  ...web,
  // A list of its own: YAML would write the same one as an alias, of which it reads a hundred.
  selectors: [...web.selectors],
  spiffeId: `spiffe://example.org/${name}`,
  default: false,
})

export async function withAgent<T>(
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

async function onServer(
  starting: Promise<Yardstick>,
  measure: (server: Yardstick) => Promise<number>,
): Promise<number> {
  const server = await starting
  try {
    return await measure(server)
  } finally {
    server.close()
  }
}

/** The same measured on bare grpc-js, where it is wanted. */
export async function onBare(
  bench: Bench,
  measure: (server: Yardstick) => Promise<number>,
): Promise<Pick<Figure, 'bare'>> {
  return bench.bare ? { bare: await onServer(startBare(bench.folder), measure) } : {}
}

/** The same measured on the bare servers. */
export async function onYardsticks(
  bench: Bench,
  measure: (server: Yardstick) => Promise<number>,
): Promise<Omit<Figure, 'spindle'>> {
  const reference = await onServer(startReference(bench.binary, bench.folder), measure)
  return { reference, ...(await onBare(bench, measure)) }
}

export const renew = (agent: Agent): Promise<unknown> =>
  agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 30_000 })

const DEADLINE_MS = 30_000
export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))

export function complete(report: Report, streams: number): Report {
  if (report.streams !== streams || report.failed > 0)
    throw new Error(`${report.streams} of ${streams} streams were served, ${report.failed} failed`)
  return report
}

/** First answers of all streams on Spindle, then on the bare servers, which have no Delta. */
export async function firstAnswers(bench: Bench, streams: Streams): Promise<Figure> {
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
  return { spindle, ...(await onYardsticks(bench, ({ socket }) => on(socket))) }
}

/** The last of them counts: a process that rotates has rotated before, and its code is compiled. */
const ROTATIONS = 3

/** From the first to the last arrival of one rotation at the streams that `start` opens. */
export async function spreadOf(
  bench: Bench,
  streams: number,
  start: (socket: string) => Load,
): Promise<Figure> {
  const on = async (socket: string, rotate: () => Promise<unknown>): Promise<number> => {
    const load = start(socket)
    try {
      complete(await load.wait(streams), streams)
      let spreadMs = 0
      for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
        await pause(500)
        await load.mark()
        await rotate()
        ;({ spreadMs } = complete(await load.wait(streams), streams))
      }
      return spreadMs
    } finally {
      load.close()
    }
  }
  const spindle = await withAgent(bench, [web], (agent) => on(agent.socket, () => renew(agent)))
  const limits = await onYardsticks(bench, (server) => on(server.socket, () => server.renew()))
  return { spindle, ...limits }
}

export const spread = (bench: Bench, streams: Streams): Promise<Figure> =>
  spreadOf(bench, streams.streams, (socket) => startLoad(bench.binary, socket, streams))

export const sotw = (streams: number, connections: number, names = ['default']): Streams => ({
  variant: 'sotw',
  streams,
  connections,
  names,
})

export async function coldStart(
  bench: Bench,
  before?: (agent: Agent) => Promise<void>,
): Promise<number> {
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

export async function entryToEnvoy(bench: Bench): Promise<Figure> {
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
