/**
 * A valid client beside what is done to an agent, in a process of its own: rotations are forced all the time, and each has to
 * reach it.
 */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Agent } from '../e2e/rig/agent.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { eventually } from '../e2e/rig/rig.ts'
import { footprintOf } from '../leaks.ts'

export interface Bystander {
  /** Rotations that have reached it. */
  readonly arrivals: number
  /** Resolves once `count` rotations more have reached it; rejects when one has not. */
  more(count: number): Promise<void>
  /** What has been disturbed: nothing; how long rotations took since the last report is told, not judged. */
  report(t: TestContext): void
}

interface Told {
  readonly arrived?: string
  readonly ms?: number
  readonly failed?: string
}

/** @param of what it is a client of: a folder of this one */
export async function startBystander(rig: Rig, agent: Agent, of = '.'): Promise<Bystander> {
  const script = join(import.meta.dirname, of, 'bystander-process.ts')
  const child = fork(script, [agent.socket, agent.adminSocket], { execArgv: [] })
  const over = once(child, 'exit')
  rig.atEnd(async () => {
    child.kill('SIGKILL')
    await over
  })
  let failed: string | undefined
  let arrivals = 0
  let took: number[] = []
  child.on('message', (told: Told) => {
    failed ??= told.failed
    if (told.arrived === undefined) return
    arrivals += 1
    took.push(told.ms ?? 0)
  })
  const more = async (count: number): Promise<void> => {
    const wanted = arrivals + count
    await eventually(
      `rotation ${wanted} reaches the client beside it`,
      () => failed !== undefined || arrivals >= wanted,
      40_000,
    )
    assert.equal(failed, undefined)
  }
  await more(1)
  return {
    get arrivals() {
      return arrivals
    },
    more,
    report(t) {
      assert.equal(failed, undefined)
      const sorted = took.sort((a, b) => a - b)
      const [middle, most] = [sorted[sorted.length >> 1], sorted.at(-1)]
      if (most !== undefined)
        t.diagnostic(
          `${sorted.length} rotations beside it: ${middle?.toFixed(0)} ms, at most ${most.toFixed(0)} ms`,
        )
      took = []
    },
  }
}

const MIB = 2 ** 20
/** A collection of what half a gigabyte holds takes a second where the machine is slow. */
const COLLECTS_MS = 30_000

/** Goes into the settings of an agent that `calmOf` looks at. */
export const TELLS_WHAT_IT_KEEPS = {
  nodeArgs: [`--import=${join(import.meta.dirname, 'kept-process.ts')}`],
} as const

/** What an agent holds before something is done to it, to be compared with what it holds afterwards. */
export interface Calm {
  /** It lives, is ready, has told of no fault of its own, keeps at most `keptMib` more, and has given back all but `rssMib`. */
  restored(t: TestContext, most: Most): Promise<void>
}

interface Most {
  /** Of objects and buffers that are alive after a collection. */
  readonly keptMib: number
  /** Of the process, after the same collection: with what was freed and is not given back to the system. */
  readonly rssMib: number
}

const STREAMS = [
  ...['sotw', 'delta'].map((variant) => `spindle_agent_sds_streams{variant="${variant}"}`),
  ...['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles'].map(
    (rpc) => `spindle_agent_workload_streams{rpc="${rpc}"}`,
  ),
]

/** @param agent started with `TELLS_WHAT_IT_KEEPS` */
export async function calmOf(agent: Agent): Promise<Calm> {
  const streams = async (): Promise<number> => {
    const counts = await Promise.all(STREAMS.map((series) => agent.metric(series)))
    return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)
  }
  const kept = keptBy(agent)
  const before = { streams: await streams(), descriptors: descriptors(agent), ...(await kept()) }
  return {
    async restored(t, { keptMib, rssMib }) {
      await eventually('its streams are gone', async () => (await streams()) === before.streams)
      await eventually(
        `${before.descriptors} descriptors as before`,
        () => descriptors(agent) <= before.descriptors,
      )
      const answer = await fetch(`${agent.http}/ready`, { signal: AbortSignal.timeout(10_000) })
      assert.equal(answer.status, 200, await answer.text())
      const faults = agent.child
        .output()
        .split('\n')
        .filter((line) =>
          /"level":"(?:error|fatal)"|fault in Spindle|[Uu]nhandled|[Uu]ncaught|Warning:/.test(line),
        )
      assert.deepEqual(faults, [])
      const now = await kept()
      const [more, moreRss] = [now.bytes - before.bytes, now.rss - before.rss]
      t.diagnostic(`keeps ${mib(before.bytes)} MiB, and ${mib(more)} more now`)
      t.diagnostic(`memory: ${mib(before.rss)} MiB before, ${mib(moreRss)} more now`)
      assert(more < keptMib * MIB, `it keeps ${mib(more)} MiB more`)
      assert(moreRss < rssMib * MIB, `${mib(moreRss)} MiB more`)
    },
  }
}

interface Kept {
  readonly bytes: number
  readonly rss: number
}

/** Of an agent at ease: what comes meanwhile is counted. */
function keptBy(agent: Agent): () => Promise<Kept> {
  let asked = 0
  return async () => {
    asked += 1
    const start = `{"kept":${asked},`
    agent.child.signal('SIGUSR2')
    const told = agent.child.line((line) => line.startsWith(start))
    const ended = AbortSignal.timeout(COLLECTS_MS)
    const late = once(ended, 'abort').then(() => assert.fail('it does not say what it keeps'))
    return JSON.parse(await Promise.race([told, late])) as Kept
  }
}

const mib = (bytes: number): string => (bytes / MIB).toFixed(1)

function descriptors(agent: Agent): number {
  const found = footprintOf(agent.child.pid)
  assert(found !== undefined, `the agent has ended:\n${agent.child.output()}`)
  return found.descriptors
}
