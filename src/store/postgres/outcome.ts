/** What became of a transaction whose COMMIT nobody answered. */
import { sql } from 'kysely'
import type { Begun, Database } from '../engine.ts'
import { isLost } from './faults.ts'

/**
 * The number of the transaction that asks, and when the server began: a database that another one took over, or that was brought
 * back, may have given the number to another.
 */
export const TRANSACTION = sql<string>`txid_current() || ' ' || pg_postmaster_start_time()`

/**
 * Whoever begins waits until the one before has ended, one way or the other: then it can be told.
 * @returns undefined where it cannot
 */
export async function wasCommitted(
  db: Database,
  transaction: string,
  begin: (db: Database) => Promise<Begun>,
): Promise<boolean | undefined> {
  const ask = (): Promise<boolean | undefined> =>
    db.connection().execute(async (within) => {
      try {
        const now = await begin(within)
        if (serverOf(now.transaction) !== serverOf(transaction)) return undefined
        return await statusOf(within, transaction)
      } finally {
        await sql`rollback`.execute(within).catch(() => undefined)
      }
    })
  try {
    return await ask()
  } catch (thrown) {
    if (!isLost(thrown)) return undefined
  }
  // The connection it was given may be one more that was lost.
  return await ask().catch(() => undefined)
}

const numberOf = (transaction: string): string => transaction.slice(0, transaction.indexOf(' '))
const serverOf = (transaction: string): string => transaction.slice(transaction.indexOf(' '))

async function statusOf(db: Database, transaction: string): Promise<boolean | undefined> {
  const { rows } = await sql<{
    status: string | null
  }>`select txid_status(${numberOf(transaction)}::bigint) as status`.execute(db)
  const status = rows[0]?.status
  if (status === 'committed') return true
  return status === 'aborted' ? false : undefined
}
