import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { Log } from '../telemetry/log.ts'
import type { Engine } from './engine.ts'
import type { Store } from './port.ts'
import type { PostgresTarget } from './postgres/target.ts'
import { openSqlite } from './sqlite/open.ts'
import { createStore } from './store.ts'

export interface StoreOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly engine:
    | { readonly kind: 'sqlite'; readonly path: string }
    | { readonly kind: 'postgres'; readonly target: PostgresTarget }
}

/**
 * Opens the state of a server, made or brought up to the present version where need be.
 * @throws SpindleError `store_corrupt`, `store_newer`, `store_unavailable`, `config_invalid`
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  return createStore(await openEngine(options), options)
}

async function openEngine(options: StoreOptions): Promise<Engine> {
  const { engine } = options
  if (engine.kind === 'sqlite') return await openSqlite(engine.path, options)
  const { openPostgres } = await import('./postgres/open.ts')
  return await openPostgres(engine.target, options)
}
