import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { Store } from './port.ts'
import { openSqlite } from './sqlite/open.ts'
import { createStore } from './store.ts'

export interface StoreOptions {
  readonly clock: Clock
  readonly random: Random
  readonly engine: { readonly kind: 'sqlite'; readonly path: string }
}

/**
 * Opens the state of a server, made or brought up to the present version where need be.
 * @throws SpindleError `store_corrupt`, `store_newer`, `store_unavailable`
 */
export async function openStore({ clock, random, engine }: StoreOptions): Promise<Store> {
  const surroundings = { clock, random }
  return createStore(await openSqlite(engine.path, surroundings), surroundings)
}
