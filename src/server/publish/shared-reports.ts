/** What the agents of this server said, written down for the other servers on the store; and what theirs said, read when it is asked for. */
import { retryDelay } from '../../runtime/backoff.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/random.ts'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import type { AgentReport } from '../../store/model.ts'
import { MOST_A_PAGE } from '../../store/port.ts'
import type { Store } from '../../store/port.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Said } from './fleet-view.ts'

export interface Sharing {
  readonly serverId: string
  readonly store: Pick<Store, 'reports' | 'servers'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** undefined: it is not connected. */
  readonly saidOf: (agent: SpiffeId) => Said | undefined
}

export interface SharedReports {
  /** The agent came, went, or said what it has. */
  changed(agent: SpiffeId): void
  /** Of servers that are there. @throws SpindleError `store_unavailable` */
  ofOthers(): Promise<ReadonlyMap<SpiffeId, readonly Said[]>>
  /** What is written of the agents of this server goes with it. */
  close(): Promise<void>
}

/** One commit for all that comes close together. */
const TOGETHER_MS = 200
const MOST_A_COMMIT = 1_000
const RETRY = { baseMs: 1_000, maxMs: 60_000 }
/** A server says once a minute that it is there. What it wrote down before is true, but its agents may have gone. */
const THERE_MS = 180_000
/** What is of one that was there last so long ago is of nobody. */
const FORGOTTEN_MS = 3_600_000

export function shareReports(sharing: Sharing): SharedReports {
  const { serverId, store, clock, random, log, saidOf } = sharing
  const changed = new Set<SpiffeId>()
  /** As it is in the store; undefined: not known. */
  const stored = new Map<SpiffeId, string>()
  let timer: Timer | undefined
  let running: Promise<void> | undefined
  let failures = 0
  let isBegun = false
  let closed = false

  /** What a process before this one left is of nobody. */
  const begin = async (): Promise<void> => {
    if (isBegun) return
    const now = clock.now()
    const gone = (await store.servers.list()).filter((one) => one.lastSeen < now - FORGOTTEN_MS)
    await store.reports.clear([serverId, ...gone.map(({ id }) => id)])
    isBegun = true
  }
  const write = async (agents: readonly SpiffeId[]): Promise<void> => {
    const news = new Map<SpiffeId, AgentReport | undefined>()
    for (const agent of agents) {
      changed.delete(agent)
      const said = saidOf(agent)
      // It may be evicted and come back with the same to say.
      if (said === undefined) stored.delete(agent)
      else if (stored.get(agent) === JSON.stringify(said)) continue
      news.set(agent, said && { ...said, serverId, agent })
    }
    if (news.size === 0) return
    try {
      await store.reports.put(serverId, news)
    } catch (thrown) {
      for (const agent of news.keys()) changed.add(agent)
      throw thrown
    }
    for (const [agent, report] of news) if (report !== undefined) stored.set(agent, textOf(report))
  }
  const writeAll = async (): Promise<void> => {
    try {
      await begin()
      const agents = Array.from(changed)
      for (let at = 0; at < agents.length && !closed; at += MOST_A_COMMIT)
        await write(agents.slice(at, at + MOST_A_COMMIT))
      if (failures > 0) log.info({}, 'other servers are told again of what agents have')
      failures = 0
    } catch (thrown) {
      if (failures === 0)
        log.warn({ error: messageOf(thrown) }, 'other servers are not told of what agents have')
      arm(retryDelay(failures++, RETRY, random.fraction()))
    }
  }
  const arm = (ms: number): void => {
    if (closed) return
    timer ??= clock.after(ms, () => {
      timer = undefined
      running = writeAll().finally(() => {
        running = undefined
        if (changed.size > 0) arm(TOGETHER_MS)
      })
    })
  }

  arm(0)
  return {
    changed(agent) {
      if (closed) return
      if (saidOf(agent) === undefined) stored.delete(agent)
      changed.add(agent)
      if (running === undefined) arm(TOGETHER_MS)
    },
    ofOthers: () => ofOthers(sharing),
    async close() {
      closed = true
      timer?.cancel()
      await running
      // Else it is told of for some minutes.
      await store.reports.clear([serverId]).catch(() => undefined)
    },
  }
}

async function ofOthers({
  serverId,
  store,
  clock,
}: Sharing): Promise<ReadonlyMap<SpiffeId, readonly Said[]>> {
  const since = clock.now() - THERE_MS
  const servers = await store.servers.list()
  const there = new Set(servers.flatMap(({ id, lastSeen }) => (lastSeen > since ? [id] : [])))
  const found = new Map<SpiffeId, Said[]>()
  let token: string | undefined
  do {
    const page = await store.reports.ofOthers(serverId, { limit: MOST_A_PAGE, token })
    for (const report of page.items) {
      if (!there.has(report.serverId)) continue
      const known = found.get(report.agent)
      if (known === undefined) found.set(report.agent, [report])
      else known.push(report)
    }
    token = page.next
  } while (token !== undefined)
  return found
}

const textOf = ({ serverId: _server, agent: _agent, ...said }: AgentReport): string =>
  JSON.stringify(said)
