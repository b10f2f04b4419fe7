import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openStore } from '../../src/store/open.ts'
import type { StoreOptions } from '../../src/store/open.ts'
import type { Page, PageRequest, Store } from '../../src/store/port.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createManualClock } from '../fakes/clock.ts'
import type { ManualClock } from '../fakes/clock.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { startPostgres } from '../fakes/postgres-server.ts'
import type { PostgresServer } from '../fakes/postgres-server.ts'
import { createSeededRandom } from '../fakes/random.ts'

/** State that outlives the stores that are opened on it. */
export interface Place {
  readonly clock: ManualClock
  /** Opens it, once more after a close as a restart does; what the test leaves open is closed after it. */
  open(): Promise<Store>
}

export interface StoreKind {
  readonly name: string
  /** undefined: the machine has not got it, and the test is skipped. */
  readonly place: (t: TestContext) => Promise<Place | undefined>
}

const sqlite: StoreKind = {
  name: 'sqlite',
  place: (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    return Promise.resolve(placeOf(t, { kind: 'sqlite', path }))
  },
}

/** One server for all tests of a file; each has a database of its own. */
let postgresServer: ReturnType<typeof startPostgres> | undefined

/** undefined: the machine has none, and the test is skipped. */
export async function sharedPostgres(t: TestContext): Promise<PostgresServer | undefined> {
  postgresServer ??= startPostgres(t)
  const started = await postgresServer
  if (started === undefined) t.skip('needs PostgreSQL')
  return started?.server
}

after(async () => {
  await (await postgresServer)?.remove()
})

const postgres: StoreKind = {
  name: 'postgres',
  place: async (t) => {
    const server = await sharedPostgres(t)
    if (server === undefined) return undefined
    return placeOf(t, { kind: 'postgres', target: await server.database() })
  },
}

export const kinds: readonly StoreKind[] = [sqlite, postgres]

let places = 0

export function placeOf(t: TestContext, engine: StoreOptions['engine']): Place {
  const clock = createManualClock()
  // No two servers draw the same.
  const random = createSeededRandom(places++)
  const log = createLog({ level: 'error', format: 'text', stream: process.stderr, clock })
  const open = () => openStore({ clock, random, log, engine })
  return { clock, open: closedAfter(t, open) }
}

function closedAfter(t: TestContext, open: () => Promise<Store>): () => Promise<Store> {
  return async () => {
    const store = await open()
    t.after(() => store.close())
    return store
  }
}

/** A test with a new, empty store of the kind. */
export function storeTest(
  { place }: StoreKind,
  says: string,
  run: (store: Store, at: Place) => Promise<void>,
): void {
  test(says, async (t) => {
    const at = await place(t)
    if (at !== undefined) await run(await at.open(), at)
  })
}

export const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

/** All pages, of `limit` items. */
export async function pages<T>(
  list: (page: PageRequest) => Promise<Page<T>>,
  limit: number,
): Promise<readonly (readonly T[])[]> {
  const all: (readonly T[])[] = []
  let token: string | undefined
  do {
    const page = await list({ limit, token })
    all.push(page.items)
    token = page.next
  } while (token !== undefined)
  return all
}
