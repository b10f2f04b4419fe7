/** Opens a registry over a store and follows what is committed there. */
import { retryDelay } from '../../runtime/backoff.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { SpindleError, codeOf, messageOf } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/random.ts'
import { nextTurn } from '../../runtime/slices.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { Store } from '../../store/port.ts'
import type { Log } from '../../telemetry/log.ts'
import { inParts, readAll, readChanges } from './registry-reading.ts'
import type { Reading } from './registry-reading.ts'
import { createRegistryState } from './registry-state.ts'
import type { Registry, RegistryChange } from './registry.ts'

export interface RegistryOptions {
  readonly store: Store
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const RETRY = { baseMs: 200, maxMs: 15_000 }
/** How long the answer to a change that is stored waits until it is shown. */
const SHOWN_MS = 5_000

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Resolves once all is read. While the store is away afterwards, the registry stays as it is, and catches up when the store is
 * back.
 * @throws SpindleError `store_unavailable`, `store_corrupt`
 */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { store, clock, random, log } = options
  const state = createRegistryState(options.trustDomain)
  const listeners = new Set<(change: RegistryChange) => void>()
  let { position } = await load()
  let waiting: Waiting[] = []
  let wanted = false
  let running: Promise<void> | undefined
  let retry: Timer | undefined
  let failures = 0
  let closed = false

  async function load(): Promise<Reading> {
    const reading = await readAll(store, state)
    // Nobody looks at it yet.
    for (const part of inParts(reading.difference)) {
      state.apply(part)
      await nextTurn()
    }
    return reading
  }

  const take = (reading: Reading): void => {
    const change = { ...state.apply(reading.difference), position: reading.position }
    position = reading.position
    if (change.entries.size + change.bundles.size + change.agents.size === 0) return
    for (const listen of Array.from(listeners)) if (listeners.has(listen)) listen(change)
  }

  /** @returns whether the store has had changes since it was read */
  const step = async (): Promise<boolean> => {
    const reading = (await readChanges(store, position)) ?? (await readAll(store, state))
    if (!closed) take(reading)
    return reading.more
  }

  const follow = async (): Promise<void> => {
    while (wanted && !closed) {
      wanted = false
      const asking = waiting
      waiting = []
      try {
        const more = await step()
        healed()
        if (more) {
          wanted = true
          waiting.unshift(...asking)
        } else for (const { resolve } of asking) resolve()
      } catch (thrown) {
        for (const { reject } of asking) reject(thrown)
        failed(thrown)
      }
    }
    running = undefined
  }

  const wake = (): void => {
    wanted = true
    if (!closed) running ??= follow()
  }

  const failed = (thrown: unknown): void => {
    if (closed) return
    const error = messageOf(thrown)
    if (failures === 0)
      log.warn({ error, code: codeOf(thrown) }, 'the registry cannot be read: it stays as it was')
    retry?.cancel()
    retry = clock.after(retryDelay(failures++, RETRY, random.fraction()), wake)
  }

  const healed = (): void => {
    retry?.cancel()
    if (failures > 0) log.info({ ...position }, 'the registry is read again')
    failures = 0
  }

  const refreshed = (): Promise<void> =>
    new Promise((resolve, reject) => {
      if (closed) return reject(new SpindleError('store_unavailable', 'the registry is closed'))
      waiting.push({ resolve, reject })
      wake()
    })

  const caughtUp = (): Promise<void> => {
    const known = position.revision >= store.changes.revisions.current
    return known && !closed ? Promise.resolve() : refreshed()
  }

  const shown = (): Promise<void> =>
    new Promise((resolve) => {
      const late = (why: string): void => {
        log.warn({ why }, 'a change is stored and answered before this server shows it')
        resolve()
      }
      const timer = clock.after(SHOWN_MS, () => late(`the store takes over ${SHOWN_MS / 1000} s`))
      caughtUp()
        .then(resolve, (thrown: unknown) => (closed ? resolve() : late(messageOf(thrown))))
        .finally(() => timer.cancel())
    })

  const unsubscribe = store.changes.revisions.subscribe(wake)
  // What was committed since it was loaded.
  wake()

  const { apply: _apply, keys: _keys, ...lookups } = state
  return {
    ...lookups,
    get position() {
      return position
    },
    caughtUp,
    shown,
    refreshed,
    onChange(listen) {
      listeners.add(listen)
      return () => void listeners.delete(listen)
    },
    async close() {
      closed = true
      unsubscribe()
      retry?.cancel()
      listeners.clear()
      for (const { reject } of waiting)
        reject(new SpindleError('store_unavailable', 'the registry is closed'))
      waiting = []
      await running
    },
  }
}
