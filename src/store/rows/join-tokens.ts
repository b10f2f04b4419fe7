import { hash } from 'node:crypto'
import type { Random } from '../../runtime/random.ts'
import type { Database, Engine } from '../engine.ts'
import { reading } from '../engine.ts'
import type { AttestedAgent, JoinToken } from '../model.ts'
import type { CreatedToken, JoinTokenStore, Joined } from '../port.ts'
import type { Writer } from '../writer.ts'
import { changeAgent } from './agents.ts'
import { written } from './body.ts'
import { createSome, namedEntry } from './entries.ts'
import { deleteRecord, readRecord } from './records.ts'

/** Nothing is made from tokens that another server would have to hear of. */
export const TOKEN = 'join-token'
/** Tokens of one transaction that prunes. */
const CHUNK = 100

export function createJoinTokens(engine: Engine, writer: Writer, random: Random): JoinTokenStore {
  return {
    create: (text, { expiresAt, alias }, entry) =>
      writer.write(async (write): Promise<CreatedToken> => {
        const body = written({ expiresAt, ...(alias !== undefined && { alias }) })
        const row = { kind: TOKEN, key: keyOf(text), expires_at: expiresAt, ...body }
        const { numInsertedOrUpdatedRows } = await write.db
          .insertInto('records')
          .values(row)
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst()
        if (numInsertedOrUpdatedRows !== 1n) return { kind: 'taken' }
        if (entry === undefined) return { kind: 'created' }
        const [made] = await createSome(write, [namedEntry(entry, random)])
        return made?.kind === 'created'
          ? { kind: 'created', entry: made.entry }
          : { kind: 'created' }
      }),
    get: (text) => reading(engine, (db) => tokenOf(db, keyOf(text))),
    join: (text, id, join) =>
      writer.write(async (write): Promise<Joined> => {
        const key = keyOf(text)
        const token = await tokenOf(write.db, key)
        if (token === undefined) return 'not_found'
        let joining: AttestedAgent | undefined
        await changeAgent(write, id, (current) => {
          joining = join(token, current)
          return joining ?? current
        })
        if (joining === undefined) return 'refused'
        await deleteRecord(write.db, TOKEN, key)
        return 'joined'
      }),
    async prune(now, tell) {
      for (let pruned = 0; ;) {
        const gone = await writer.write(async ({ db }) => {
          const rows = await db
            .selectFrom('records')
            .select(['key', 'body', 'crc'])
            .where('kind', '=', TOKEN)
            .where('expires_at', '<=', now)
            .orderBy('expires_at')
            .orderBy('key')
            .limit(CHUNK)
            .execute()
          for (const { key } of rows) await deleteRecord(db, TOKEN, key)
          return rows
        })
        tell?.(gone.map(tokenIn))
        pruned += gone.length
        if (gone.length < CHUNK) return pruned
      }
    },
  }
}

async function tokenOf(db: Database, key: string): Promise<JoinToken | undefined> {
  const row = await db
    .selectFrom('records')
    .select(['key', 'body', 'crc'])
    .where('kind', '=', TOKEN)
    .where('key', '=', key)
    .executeTakeFirst()
  return row === undefined ? undefined : readRecord(TOKEN, row)
}

/** One whose row cannot be read is of no use to anybody either. */
function tokenIn(row: Parameters<typeof readRecord>[1]): JoinToken | undefined {
  try {
    return readRecord(TOKEN, row)
  } catch {
    return undefined
  }
}

const keyOf = (text: string): string => hash('sha256', text, 'hex')
