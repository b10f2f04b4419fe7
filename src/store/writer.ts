import { sql } from 'kysely'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import { nextTurn } from '../runtime/slices.ts'
import type { Database, Engine } from './engine.ts'
import type { ChangeKind } from './port.ts'
import { updateMeta } from './rows/meta.ts'

/** The inside of a transaction that nobody else changes anything beside. */
export interface Write {
  readonly db: Database
  /** Of the wall clock, when the transaction began. */
  readonly now: number
  /** Says that a key's value is new, changed or gone. */
  changed(kind: ChangeKind, key: string): void
}

export interface Writer {
  /** What `work` did is durable once this resolves. `work` may run more than once, each time from the start. */
  write<T>(work: (write: Write) => Promise<T>): Promise<T>
  /** Resolves when nothing is waiting; what comes later is refused. */
  close(): Promise<void>
}

interface Job {
  readonly work: (write: Write) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: SpindleError) => void
}

/** Jobs of one transaction. */
const MOST_A_GROUP = 256
/** Those between two turns of the event loop, most of which take a third of a millisecond. */
const JOBS_A_TURN = 32
const MOST_WAITING = 10_000
const ROWS_A_STATEMENT = 200

/** A failure of COMMIT itself. */
class CommitFault extends Error {
  readonly transaction: string
  /** What holds if it is there all the same. */
  readonly done: Done
  constructor(transaction: string, done: Done, cause: unknown) {
    super('commit', { cause })
    this.transaction = transaction
    this.done = done
  }
}

interface Done {
  /** Of the jobs, in their order. */
  readonly results: readonly unknown[]
  readonly revision: number
}

/**
 * Makes changes one transaction after the other. All that wait are made in one, since what costs is the disk that has to
 * answer: a thousand callers wait for a few answers, not for a thousand.
 */
export function createWriter(engine: Engine, clock: Clock): Writer {
  const queue: Job[] = []
  let running: Promise<void> | undefined
  let closed = false

  /** Resolves once what `group` did is durable. */
  const transact = (group: readonly Job[]): Promise<Done> =>
    engine.writes.connection().execute(async (db) => {
      let committing: Done | undefined
      let transaction = ''
      try {
        const begun = await engine.begin(db)
        const changes = new Map<string, { kind: ChangeKind; key: string; revision: number }>()
        let { revision } = begun
        transaction = begun.transaction
        const write: Write = {
          db,
          now: clock.now(),
          changed: (kind, key) =>
            void changes.set(`${kind} ${key}`, { kind, key, revision: ++revision }),
        }
        const results: unknown[] = []
        for (const { work } of group) {
          results.push(await work(write))
          if (results.length % JOBS_A_TURN === 0) await nextTurn()
        }
        if (changes.size > 0) {
          await logChanges(write, Array.from(changes.values()))
          await updateMeta(db, { revision })
          await engine.announce(db, revision)
        }
        committing = { results, revision }
        await commit(db)
        return committing
      } catch (thrown) {
        // Where the connection is gone, so is the transaction.
        await sql`rollback`.execute(db).catch(() => undefined)
        throw committing ? new CommitFault(transaction, committing, thrown) : thrown
      }
    })

  const finish = (group: readonly Job[], { results, revision }: Done): void => {
    if (revision > engine.revisions.current) engine.revisions.set(revision)
    group.forEach(({ resolve }, index) => resolve(results[index]))
  }

  const settle = async (group: readonly Job[], again: boolean): Promise<void> => {
    try {
      finish(group, await transact(group))
    } catch (thrown) {
      const atCommit = thrown instanceof CommitFault
      const cause = atCommit ? thrown.cause : thrown
      const lost = engine.isLost(cause)
      if (!atCommit && lost && again) return await settle(group, false)
      const fault = engine.fault(cause)
      // One of them is at fault, unless the database is: that one alone shall be refused.
      if (!atCommit && fault.code !== 'store_unavailable' && group.length > 1) {
        for (const job of group) await settle([job], again)
        return
      }
      const unknown = atCommit && engine.commitIsUnknown(cause)
      const isThere = unknown ? await engine.wasCommitted(thrown.transaction) : false
      if (atCommit && isThere === true) return finish(group, thrown.done)
      if (unknown && isThere === false && again) return await settle(group, false)
      const error =
        isThere === undefined
          ? new SpindleError(
              fault.code,
              `${fault.message}; whether the change was stored is not known`,
            )
          : fault
      for (const { reject } of group) reject(error)
    }
  }

  const drain = async (): Promise<void> => {
    // What is asked for in this turn of the event loop comes along.
    await nextTurn()
    while (queue.length > 0) await settle(queue.splice(0, MOST_A_GROUP), true)
    running = undefined
  }

  return {
    write: <T>(work: (write: Write) => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        if (closed) return reject(new SpindleError('store_unavailable', 'the store is closed'))
        if (queue.length >= MOST_WAITING)
          return reject(new SpindleError('store_unavailable', 'too many changes wait for the disk'))
        queue.push({ work, resolve: resolve as (value: unknown) => void, reject })
        running ??= drain()
      }),
    async close() {
      closed = true
      await running
    },
  }
}

async function commit(db: Database): Promise<void> {
  const { rows } = await sql<{ command?: string }>`commit`.execute(db)
  // PostgreSQL answers so where a statement before had failed.
  if (rows[0]?.command === 'ROLLBACK') throw new Error('the transaction was rolled back')
}

async function logChanges(
  { db, now }: Write,
  changes: readonly { kind: ChangeKind; key: string; revision: number }[],
): Promise<void> {
  for (let at = 0; at < changes.length; at += ROWS_A_STATEMENT) {
    const rows = changes.slice(at, at + ROWS_A_STATEMENT).map((change) => ({ ...change, at: now }))
    await db
      .insertInto('changes')
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(['kind', 'key']).doUpdateSet((excluded) => ({
          revision: excluded.ref('excluded.revision'),
          at: excluded.ref('excluded.at'),
        })),
      )
      .execute()
    await nextTurn()
  }
}
