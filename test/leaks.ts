/** What a suite leaves behind: in this process, and in an agent's. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What is open, and what is in use, in this process. */
interface OwnFootprint {
  readonly descriptors: number
  /** Handles, requests and timers that keep the process alive, by their kind. */
  readonly resources: Readonly<Record<string, number>>
  readonly heapBytes: number
}

export interface Footprint {
  readonly descriptors: number
  readonly rssBytes: number
}

const PAGE_BYTES = 4096
/** A heap is never quite as it was: code is compiled, caches fill. */
const HEAP_SLACK_BYTES = 512 * 1024
const HEAP_SHARE = 0.05
const SETTLE_MS = 20_000

export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
}

function ownFootprint(): OwnFootprint {
  collectGarbage()
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    resources,
    heapBytes: process.memoryUsage().heapUsed,
  }
}

/**
 * Runs `round` until it is warm, then `rounds` times more: descriptors, handles and timers are as before then, and the
 * heap too but for 5 %.
 */
export async function leavesNothingBehind(
  round: () => Promise<void>,
  { rounds, warmUp }: { readonly rounds: number; readonly warmUp: number },
): Promise<void> {
  for (let count = 0; count < warmUp; count++) await round()
  const before = await settled()
  for (let count = 0; count < rounds; count++) await round()
  const most = before.heapBytes * (1 + HEAP_SHARE) + HEAP_SLACK_BYTES
  const end = performance.now() + SETTLE_MS
  let after = await settled()
  // What was closed ends in its own time.
  while (!sameOpen(before, after) && performance.now() < end) after = await settled()
  assert.deepEqual(
    { descriptors: after.descriptors, resources: after.resources },
    { descriptors: before.descriptors, resources: before.resources },
  )
  assert(
    after.heapBytes <= most,
    `heap: ${before.heapBytes} bytes before, ${after.heapBytes} after`,
  )
}

async function settled(): Promise<OwnFootprint> {
  await new Promise((resolve) => setTimeout(resolve, 50))
  return ownFootprint()
}

function sameOpen(one: OwnFootprint, other: OwnFootprint): boolean {
  return (
    one.descriptors === other.descriptors &&
    JSON.stringify(one.resources) === JSON.stringify(other.resources)
  )
}

/** undefined: the process has ended, or may not be looked into. */
export function footprintOf(pid: number): Footprint | undefined {
  try {
    const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]
    const descriptors = readdirSync(`/proc/${pid}/fd`).length
    return { descriptors, rssBytes: Number(pages) * PAGE_BYTES }
  } catch {
    return undefined
  }
}

/** An agent of a test: whom it serves, and its process. */
interface LookedAt {
  readonly child: { readonly pid: number; readonly ended: Promise<unknown> }
  sidecars(): Promise<readonly unknown[]>
  workloads(): Promise<readonly unknown[]>
}

/** What is asked of it at its end costs it some: an admin connection (two), and what fetch keeps alive. */
const ASKING_DESCRIPTORS = 6

/** Where its clients have all gone: fails when it still holds a stream, or descriptors it did not have at its start. */
export async function expectAgentIsLeft(agent: LookedAt, atStart: Footprint): Promise<void> {
  const most = atStart.descriptors + ASKING_DESCRIPTORS
  const end = performance.now() + SETTLE_MS
  for (;;) {
    const now = footprintOf(agent.child.pid)
    // Ended by the test, or not to be looked into.
    if (now === undefined) return
    const sidecars = await agent.sidecars().catch(() => [])
    const workloads = await agent.workloads().catch(() => [])
    const callers = sidecars.length + workloads.length
    if (callers === 0 && now.descriptors <= most) return
    if (performance.now() > end)
      assert.fail(
        `an agent that all have left has ${sidecars.length} sidecars, ${workloads.length} workloads, ${now.descriptors} descriptors (${atStart.descriptors} at its start)`,
      )
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
