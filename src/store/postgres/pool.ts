import pg from 'pg'
import { Kysely, PostgresDialect } from 'kysely'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type { Database } from '../engine.ts'
import type { Tables } from '../rows/tables.ts'
import { isBroken } from './faults.ts'
import type { PostgresTarget } from './target.ts'

const MOST_CONNECTIONS = 10
/** To a connection, whether from the pool or new. */
const CONNECT_MS = 5_000
/** The server gives up first, for then the connection can be used again. */
const STATEMENT_MS = 8_000
const ANSWER_MS = 10_000
const LOCK_MS = 5_000
/** A server of ours that stands still in a transaction does not hold the others for longer. */
const IDLE_IN_TRANSACTION_MS = 15_000
const INT8 = 20

/** What each connection is opened with; every wait has a deadline. */
export function clientConfig(target: PostgresTarget): pg.ClientConfig {
  const { host, port, database, user, password, tls } = target
  return {
    host,
    port,
    database,
    user,
    ...(password !== undefined && { password }),
    ssl:
      tls === undefined
        ? false
        : {
            rejectUnauthorized: tls.verify,
            ...(!tls.verify && { checkServerIdentity: () => undefined }),
            ...(tls.ca !== undefined && { ca: tls.ca }),
          },
    application_name: 'spindle',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
    statement_timeout: STATEMENT_MS,
    lock_timeout: LOCK_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    types: { getTypeParser: typeParser },
  }
}

const typeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  oid === INT8 ? safeInteger : pg.types.getTypeParser(oid, format as 'text')

function safeInteger(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw new Error('a number of the store is too large')
  return number
}

/** Connections are made when they are needed, and one that failed is not used again. Destroying it closes them. */
export function openPool(target: PostgresTarget): Database {
  const pool = new pg.Pool({ ...clientConfig(target), max: MOST_CONNECTIONS })
  // One that nobody was using was lost: the next one who needs one makes another.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const guarded: PostgresPool = {
    options: pool.options,
    connect: async () => guard(await pool.connect()),
    end: () => pool.end(),
  }
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool: guarded }) })
}

function guard(client: pg.PoolClient): PostgresPoolClient {
  let broken: unknown
  // Lost between two statements: without a listener, Node ends the process.
  const lost = (thrown: Error): void => {
    broken ??= thrown
  }
  client.on('error', lost)
  const query = async (text: string, values: readonly unknown[]): Promise<unknown> => {
    // As a rollback would, which has nothing to roll back.
    if (broken !== undefined) throw broken
    try {
      return await client.query(text, [...values])
    } catch (thrown) {
      if (isBroken(thrown)) broken = thrown
      throw thrown
    }
  }
  return {
    query: query as PostgresPoolClient['query'],
    release(destroy = false) {
      client.removeListener('error', lost)
      client.release(destroy || broken !== undefined)
    },
  }
}
