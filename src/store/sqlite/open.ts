import { backup } from 'node:sqlite'
import type { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import {
  databaseFiles,
  makeDatabaseFile,
  placeDatabase,
  readDatabaseLog,
  removeDatabase,
  setDatabaseAside,
} from '../../os/database/database-file.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { createFeed } from '../../runtime/feed.ts'
import type { Random } from '../../runtime/random.ts'
import { nextTurn } from '../../runtime/slices.ts'
import type { Begun, Database, Engine } from '../engine.ts'
import { migrate, newLineage } from '../migrations.ts'
import { corrupt } from '../rows/body.ts'
import { metaCrc, metaRow, updateMeta } from '../rows/meta.ts'
import { closeDatabase, kyselyOver, openDatabase } from './database.ts'
import { isCorruptAtStart, sqliteFault } from './faults.ts'
import { verifyPages, verifyRows, verifySchema } from './verify.ts'
import { verifyLog } from './wal.ts'

interface Surroundings {
  readonly clock: Clock
  readonly random: Random
}

/**
 * Opens the database at `path` after looking at all of it, or makes one where there never was one. The caller sees to it that no
 * other server has it.
 * @throws SpindleError `store_corrupt` when it was damaged: it is set aside then, and the message says what to do;
 * `store_newer`, `store_unavailable`
 */
export async function openSqlite(path: string, { clock, random }: Surroundings): Promise<Engine> {
  try {
    await makeIfNew(path, random)
    return await openChecked(path, random)
  } catch (thrown) {
    if (!damaged(thrown)) throw sqliteFault(thrown, path)
    const aside = setDatabaseAside(path, clock)
    throw new SpindleError('store_corrupt', setAsideText(path, aside, messageOf(thrown)), {
      cause: thrown,
    })
  }
}

class LeftWithout extends Error {}

async function makeIfNew(path: string, random: Random): Promise<void> {
  const { there, leftOver, setAside } = databaseFiles(path)
  if (there) return
  const aside = setAside[0]
  if (aside !== undefined)
    throw new SpindleError('store_unavailable', setAsideText(path, aside, 'it was damaged'))
  if (leftOver.length > 0) throw new LeftWithout(`${leftOver.join(', ')} without it`)
  // Under its name there is only ever a whole one: an empty file is one that was cut off.
  const made = `${path}.new`
  makeDatabaseFile(made)
  const database = openDatabase(made)
  const db = kyselyOver(database)
  try {
    await transaction(db, () => migrate(db, 'sqlite', random))
  } finally {
    await closeDatabase(db, database)
  }
  placeDatabase(made, path)
}

async function openChecked(path: string, random: Random): Promise<Engine> {
  // SQLite would begin a new one in it, and what was there would not be set aside as it was.
  if (databaseFiles(path).isCutOff) throw corrupt('the file')
  const log = readDatabaseLog(path)
  if (log !== undefined) verifyLog(log)
  const database = openDatabase(path)
  const writes = kyselyOver(database)
  try {
    verifyPages(database)
    const { from } = await transaction(writes, () => migrate(writes, 'sqlite', random))
    if (from === 0) throw corrupt('the file')
    await verifySchema(writes, random)
    await verifyRows(writes)
    const { revision } = await metaRow(writes)
    const readOnly = openDatabase(path, { readOnly: true })
    return createEngine({ path, database, writes, readOnly, revision, random })
  } catch (thrown) {
    await closeDatabase(writes, database)
    throw thrown
  }
}

interface Opened {
  readonly path: string
  readonly database: DatabaseSync
  readonly writes: Database
  readonly readOnly: DatabaseSync
  readonly revision: number
  readonly random: Random
}

function createEngine({ path, database, writes, readOnly, revision, random }: Opened): Engine {
  const reads = kyselyOver(readOnly)
  return {
    reads,
    writes,
    begin,
    announce: () => Promise.resolve(),
    fault: (thrown) => sqliteFault(thrown, path),
    isLost: () => false,
    commitIsUnknown: () => false,
    wasCommitted: () => Promise.resolve(undefined),
    revisions: createFeed(revision),
    async backup(to) {
      try {
        await copyTo(database, to, random)
      } catch (thrown) {
        throw sqliteFault(thrown, to)
      }
    },
    async close() {
      await closeDatabase(reads, readOnly)
      // The last one to close brings what is in the log into the file.
      await closeDatabase(writes, database)
    },
  }
}

async function begin(db: Database): Promise<Begun> {
  await sql`begin immediate`.execute(db)
  const meta = await metaRow(db)
  if (meta.crc !== metaCrc(meta)) throw corrupt('the revision')
  return { revision: meta.revision, transaction: '' }
}

/** The copy is made under another name, looked at, and has its own name when it is whole. */
async function copyTo(database: DatabaseSync, path: string, random: Random): Promise<void> {
  const { there, leftOver } = databaseFiles(path)
  if (there || leftOver.length > 0)
    throw new SpindleError('request_invalid', `${path} is there already: a backup replaces nothing`)
  const made = `${path}.new`
  try {
    makeDatabaseFile(made)
    await copyPages(database, made)
    const copy = openDatabase(made)
    const db = kyselyOver(copy)
    try {
      verifyPages(copy)
      await verifyRows(db)
      await transaction(db, () => updateMeta(db, { lineage: newLineage(random) }))
    } finally {
      await closeDatabase(db, copy)
    }
    placeDatabase(made, path)
  } catch (thrown) {
    removeDatabase(made)
    throw thrown
  }
}

const MOST_BEGINNINGS = 1_000

/**
 * A copy is not begun while its connection is in the middle of a change, which the thread that copies may meet: SQLite says that it
 * is locked, and Node, before the first page, throws an error with the code of none.
 */
async function copyPages(database: DatabaseSync, made: string): Promise<void> {
  for (let begun = 1; ; begun++) {
    try {
      await backup(database, made)
      return
    } catch (thrown) {
      const isLocked = thrown instanceof Error && 'errcode' in thrown && thrown.errcode === 0
      if (!isLocked || begun === MOST_BEGINNINGS) throw thrown
    }
    await nextTurn()
  }
}

/** On a database that nobody else uses yet. */
async function transaction<T>(db: Database, work: () => Promise<T>): Promise<T> {
  await sql`begin immediate`.execute(db)
  try {
    const result = await work()
    await sql`commit`.execute(db)
    return result
  } catch (thrown) {
    await sql`rollback`.execute(db).catch(() => undefined)
    throw thrown
  }
}

function damaged(thrown: unknown): boolean {
  if (thrown instanceof SpindleError) return thrown.code === 'store_corrupt'
  return thrown instanceof LeftWithout || isCorruptAtStart(thrown)
}

function setAsideText(path: string, aside: string, why: string): string {
  return [
    `the store ${path} cannot be used: ${why}`,
    `It was set aside as ${aside}, unchanged. The server starts with no other one by itself.`,
    'To go on from a backup, with the server stopped:',
    `  1. mkdir -p ${path}.damaged && mv ${path}.set-aside-* ${path}.damaged/`,
    `  2. cp BACKUP ${path} && chmod 600 ${path}`,
    '  3. start the server: agents are told all anew; entries made after the backup have to be made again',
    'To begin with an empty registry instead: step 1, then start the server.',
  ].join('\n')
}
