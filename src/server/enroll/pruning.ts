/**
 * Takes out of the store what has expired, each kind by its own timer, and writes a line of audit for each. Several servers may do
 * so at once: whichever took it out has the line.
 */
import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Store } from '../../store/port.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Audit, RegistryChange } from '../audit/audit.ts'
import type { Registry } from './registry.ts'

export interface PruningOptions {
  readonly store: Pick<Store, 'entries' | 'joinTokens' | 'agents' | 'changes'>
  readonly registry: Pick<Registry, 'nextExpiry' | 'onChange'>
  readonly clock: Clock
  readonly audit: Audit
  readonly log: Log
  /** Agents that have been expired for so long are forgotten; undefined: none is. */
  readonly agents?: {
    readonly expiredForMs: number
    /** Also those that could not attest again. */
    readonly once: boolean
  }
}

export interface Pruning {
  /** Resolves when nothing is being pruned any more. */
  close(): Promise<void>
}

const MINUTE_MS = 60_000
/** SPIRE's. */
const ENTRIES_MS = 5 * MINUTE_MS
const TOKENS_MS = 5 * MINUTE_MS
const HOURLY_MS = 60 * MINUTE_MS
/** Who comes from before that is told all there is. */
const LOG_KEPT_MS = 24 * 60 * MINUTE_MS
/** Between two that are due at once. */
const SHORTEST_MS = 1_000
const AFTER_FAILURE_MS = 30_000
const LONG_MS = 60_000

interface Task {
  /** For the log. */
  readonly what: string
  readonly prune: (now: number) => Promise<number>
  /** From now, ms. */
  readonly nextIn: (now: number) => number
}

export function createPruning(options: PruningOptions): Pruning {
  const { store, registry, audit, agents } = options
  const tell = (gone: Pick<RegistryChange, 'object' | 'key' | 'action' | 'revision'>): void =>
    audit.write({ event: 'changed', caller: { kind: 'server' }, ...gone })
  const entries = startTask(options, {
    what: 'entries',
    prune: (now) =>
      store.entries.prune(now, (gone) => {
        for (const { id: key, revision } of gone)
          tell({ object: 'entry', key, action: 'expire', revision })
      }),
    // What has expired is no longer an agent's at that moment, not some minutes later.
    nextIn: (now) => Math.min(ENTRIES_MS, (registry.nextExpiry() ?? Infinity) - now),
  })
  const others: Task[] = [
    {
      what: 'join tokens',
      prune: (now) =>
        store.joinTokens.prune(now, (gone) => {
          for (const token of gone)
            tell({ object: 'join-token', key: token?.alias ?? '', action: 'expire' })
        }),
      nextIn: () => TOKENS_MS,
    },
    {
      what: 'changes of the log',
      prune: (now) => store.changes.prune(now - LOG_KEPT_MS),
      nextIn: () => HOURLY_MS,
    },
  ]
  if (agents !== undefined)
    others.push({
      what: 'agents',
      prune(now) {
        const rule = { expiredBefore: now - agents.expiredForMs, once: agents.once }
        return store.agents.prune(rule, (gone) => {
          for (const key of gone) tell({ object: 'agent', key, action: 'prune' })
        })
      },
      nextIn: () => HOURLY_MS,
    })
  const tasks = [entries, ...others.map((task) => startTask(options, task))]
  const unsubscribe = registry.onChange(() => entries.reconsider())
  return {
    async close() {
      unsubscribe()
      await Promise.all(tasks.map((task) => task.stop()))
    },
  }
}

function startTask({ clock, log }: PruningOptions, { what, prune, nextIn }: Task) {
  let timer: Timer | undefined
  let dueAt = Infinity
  let earliest = clock.monotonic()
  let running: Promise<void> | undefined
  let stopped = false

  const run = async (): Promise<void> => {
    const late = clock.after(LONG_MS, () =>
      log.warn({ what }, 'what has expired is still being removed, after a minute'),
    )
    let pauseMs = SHORTEST_MS
    try {
      const removed = await prune(clock.now())
      const fields = { what, removed }
      if (removed > 0) log.info(fields, 'what had expired was removed')
    } catch (thrown) {
      pauseMs = AFTER_FAILURE_MS
      log.warn({ what, error: messageOf(thrown) }, 'what has expired could not be removed')
    }
    late.cancel()
    running = undefined
    earliest = clock.monotonic() + pauseMs
    schedule()
  }

  const schedule = (): void => {
    if (stopped || running !== undefined) return
    const now = clock.monotonic()
    const at = Math.max(now + nextIn(clock.now()), earliest)
    // One timer a change would be one an entry in an import.
    if (timer !== undefined && at >= dueAt) return
    timer?.cancel()
    dueAt = at
    timer = clock.after(at - now, () => {
      timer = undefined
      running = run()
    })
  }

  schedule()
  return {
    /** It may be due earlier now. */
    reconsider: schedule,
    async stop() {
      stopped = true
      timer?.cancel()
      await running
    },
  }
}
