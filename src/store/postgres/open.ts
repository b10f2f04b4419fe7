import { sql } from 'kysely'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import { createFeed } from '../../runtime/feed.ts'
import type { Random } from '../../runtime/random.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Begun, Database, Engine } from '../engine.ts'
import { reading } from '../engine.ts'
import { checkVersion, migrate } from '../migrations.ts'
import { metaRow } from '../rows/meta.ts'
import { isLost, postgresFault, wasRefused } from './faults.ts'
import { TRANSACTION, wasCommitted } from './outcome.ts'
import { CHANNEL, startListener } from './listen.ts'
import { clientConfig, openPool } from './pool.ts'
import type { PostgresTarget } from './target.ts'

interface Surroundings {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Of nobody else, for an advisory lock: "spindle" in ASCII. */
const MIGRATION_LOCK = '32485088266906725'

/**
 * Opens the database, whose tables are made or brought up to the present version where need be.
 * @throws SpindleError `store_unavailable`, `store_newer`, `config_invalid` for a database that would lose or garble something
 */
export async function openPostgres(
  target: PostgresTarget,
  { clock, random, log }: Surroundings,
): Promise<Engine> {
  const db = openPool(target)
  try {
    await checkSettings(db)
    await migrated(db, random)
    const { revision } = await metaRow(db)
    return createEngine({ db, target, revision, clock, random, log })
  } catch (thrown) {
    await db.destroy()
    throw postgresFault(thrown, target)
  }
}

interface Opened extends Surroundings {
  readonly db: Database
  readonly target: PostgresTarget
  readonly revision: number
}

function createEngine({ db, target, revision, clock, random, log }: Opened): Engine {
  const fault = (thrown: unknown): SpindleError => postgresFault(thrown, target)
  const revisions = createFeed(revision)
  const engine: Engine = {
    reads: db,
    writes: db,
    begin,
    async announce(within, committed) {
      await sql`select pg_notify(${CHANNEL}, ${String(committed)})`.execute(within)
    },
    fault,
    isLost,
    commitIsUnknown: (thrown) => !wasRefused(thrown),
    wasCommitted: (transaction) => wasCommitted(db, transaction, begin),
    revisions,
    backup: () =>
      Promise.reject(
        new SpindleError(
          'unsupported',
          'a PostgreSQL store is backed up with pg_dump or pg_basebackup',
        ),
      ),
    async close() {
      await listener.close()
      await db.destroy()
    },
  }
  const listener = startListener({
    config: { ...clientConfig(target), application_name: 'spindle-listener' },
    clock,
    random,
    heard: (told) => hear(engine, told, log),
    onFault: (thrown) =>
      log.warn(
        { error: fault(thrown) },
        'changes by other servers are not heard of: connecting again',
      ),
    onHealed: () => log.info({}, 'changes by other servers are heard of again'),
  })
  return engine
}

/** What a notice says is not believed, for anybody who can log in may send one: it is looked up. */
async function hear(engine: Engine, told: number | undefined, log: Log): Promise<void> {
  const { revisions } = engine
  const before = revisions.current
  if (told !== undefined && told <= before) return
  const { revision } = await reading(engine, metaRow)
  if (revision > revisions.current) revisions.set(revision)
  else if (revision < before) {
    log.warn({ before, revision }, 'the database was put back to an earlier state')
    revisions.set(revision)
  }
}

async function begin(db: Database): Promise<Begun> {
  await sql`begin`.execute(db)
  const { schema_version, revision, transaction } = await db
    .selectFrom('meta')
    .select(['schema_version', 'revision', TRANSACTION.as('transaction')])
    .where('id', '=', 1)
    .forUpdate()
    .executeTakeFirstOrThrow()
  // A newer server may have come to it meanwhile.
  checkVersion(schema_version)
  return { revision, transaction }
}

async function checkSettings(db: Database): Promise<void> {
  const { rows } = await sql<{ commits: string; encoding: string }>`
    select current_setting('synchronous_commit') as commits,
      current_setting('server_encoding') as encoding`.execute(db)
  const [setting] = rows
  if (setting?.commits === 'off')
    throw new SpindleError(
      'config_invalid',
      'the database answers a commit before it is on its disk: set synchronous_commit to on, at least for this user',
    )
  if (setting?.encoding !== 'UTF8')
    throw new SpindleError(
      'config_invalid',
      `the database keeps text as ${setting?.encoding}: make one with ENCODING 'UTF8'`,
    )
}

/** One server at a time: several may start at once. */
async function migrated(db: Database, random: Random): Promise<void> {
  await db.transaction().execute(async (within) => {
    await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK}::bigint)`.execute(within)
    await migrate(within, 'postgres', random)
  })
}
