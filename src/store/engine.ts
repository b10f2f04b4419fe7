import type { Kysely } from 'kysely'
import type { SpindleError } from '../runtime/errors.ts'
import type { MutableFeed } from '../runtime/feed.ts'
import type { Tables } from './rows/tables.ts'

export type Database = Kysely<Tables>

/** A transaction that changes are made in. */
export interface Begun {
  /** Of the last change before it. */
  readonly revision: number
  /** What `wasCommitted` knows it by. */
  readonly transaction: string
}

/** What the two databases do differently. */
export interface Engine {
  /** For reads outside of a change: they never wait for one. */
  readonly reads: Database
  /** Runs `work` on a connection that changes may be made on, in a transaction of its own making. */
  readonly writes: Database
  /** Begins a transaction and waits until no other is changing anything, here or on another server. */
  begin(db: Database): Promise<Begun>
  /** Called in the transaction: once it is committed, other servers hear of the revision. */
  announce(db: Database, revision: number): Promise<void>
  /** The error for a caller, without anything secret. */
  fault(thrown: unknown): SpindleError
  /** The connection failed and not what was asked: it may be asked again on another one. */
  isLost(thrown: unknown): boolean
  /** Whether a transaction whose COMMIT failed so may be there all the same. */
  commitIsUnknown(thrown: unknown): boolean
  /** Asks whether such a transaction is there; undefined: it cannot be told now. */
  wasCommitted(transaction: string): Promise<boolean | undefined>
  /** Set by whoever learns of a committed revision. */
  readonly revisions: MutableFeed<number>
  backup(path: string): Promise<void>
  close(): Promise<void>
}

/** A read, once more where only the connection was lost. */
export async function reading<T>(engine: Engine, read: (db: Database) => Promise<T>): Promise<T> {
  try {
    return await read(engine.reads)
  } catch (thrown) {
    if (!engine.isLost(thrown)) throw engine.fault(thrown)
  }
  try {
    return await read(engine.reads)
  } catch (thrown) {
    throw engine.fault(thrown)
  }
}
