import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { Kysely, SqliteDialect } from 'kysely'
import type { Database } from '../engine.ts'
import type { Tables } from '../rows/tables.ts'

/** Texts of statements differ by the length of lists, so they are not all kept. */
const MOST_STATEMENTS = 200
/** Someone with a shell may hold the database for a moment; longer, and the event loop would stand still. */
const BUSY_MS = 500

/** Opens a database file that is there. @throws the error of SQLite */
export function openDatabase(
  path: string,
  { readOnly = false }: { readonly readOnly?: boolean } = {},
): DatabaseSync {
  const database = new DatabaseSync(path, {
    readOnly,
    timeout: BUSY_MS,
    enableForeignKeyConstraints: true,
  })
  try {
    const pragmas = [
      // Each commit is on the disk before it is answered, and readers do not wait for it.
      ...(readOnly ? [] : ['journal_mode = wal', 'synchronous = full']),
      'trusted_schema = off',
      'cell_size_check = on',
      'cache_size = -16384',
    ]
    for (const pragma of pragmas) database.exec(`pragma ${pragma}`)
    return database
  } catch (thrown) {
    database.close()
    throw thrown
  }
}

/** Kysely closes nothing that it was never asked through, so the database is closed by itself. */
export async function closeDatabase(db: Database, database: DatabaseSync): Promise<void> {
  await db.destroy()
  if (database.isOpen) database.close()
}

/** Statements are prepared once. Destroying it closes the database. */
export function kyselyOver(database: DatabaseSync): Database {
  const prepared = new Map<string, Statement>()
  const prepare = (text: string): Statement => {
    const known = prepared.get(text)
    const statement = known ?? statementOver(database.prepare(text))
    // The one used longest ago goes first.
    prepared.delete(text)
    prepared.set(text, statement)
    if (prepared.size > MOST_STATEMENTS) prepared.delete(prepared.keys().next().value!)
    return statement
  }
  const adapted = {
    prepare,
    close: () => {
      prepared.clear()
      database.close()
    },
  }
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: adapted }) })
}

type Statement = ReturnType<typeof statementOver>

/** As better-sqlite3, which Kysely's dialect is written for, would have it. */
function statementOver(statement: StatementSync) {
  const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[]
  return {
    reader: statement.columns().length > 0,
    all: (parameters: readonly unknown[]) => statement.all(...values(parameters)),
    run: (parameters: readonly unknown[]) => statement.run(...values(parameters)),
    iterate: (parameters: readonly unknown[]) => statement.iterate(...values(parameters)),
  }
}
