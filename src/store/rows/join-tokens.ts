import { hash } from 'node:crypto'
import type { JoinToken } from '../model.ts'
import type { JoinTokenStore } from '../port.ts'
import type { Writer } from '../writer.ts'
import { written } from './body.ts'
import { deleteRecord, readRecord } from './records.ts'

/** Nothing is made from tokens that another server would have to hear of. */
export const TOKEN = 'join-token'

export function createJoinTokens(writer: Writer): JoinTokenStore {
  return {
    create: (text, { expiresAt, alias }) =>
      writer.write(async ({ db }) => {
        const body = written({ expiresAt, ...(alias !== undefined && { alias }) })
        const row = { kind: TOKEN, key: keyOf(text), expires_at: expiresAt, ...body }
        const { numInsertedOrUpdatedRows } = await db
          .insertInto('records')
          .values(row)
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst()
        return numInsertedOrUpdatedRows === 1n
      }),
    take: (text, now) =>
      writer.write(async ({ db }) => {
        const key = keyOf(text)
        const row = await db
          .selectFrom('records')
          .select(['key', 'body', 'crc'])
          .where('kind', '=', TOKEN)
          .where('key', '=', key)
          .executeTakeFirst()
        if (row === undefined) return { kind: 'not_found' }
        await deleteRecord(db, TOKEN, key)
        const token: JoinToken = readRecord(TOKEN, row)
        return token.expiresAt <= now ? { kind: 'expired' } : { kind: 'taken', token }
      }),
    prune: (now) =>
      writer.write(async ({ db }) => {
        const { numDeletedRows } = await db
          .deleteFrom('records')
          .where('kind', '=', TOKEN)
          .where('expires_at', '<=', now)
          .executeTakeFirst()
        return Number(numDeletedRows)
      }),
  }
}

const keyOf = (text: string): string => hash('sha256', text, 'hex')
