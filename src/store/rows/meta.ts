import { crc32 } from 'node:zlib'
import type { Database } from '../engine.ts'
import type { MetaTable } from './tables.ts'

export function metaRow(db: Database): Promise<MetaTable> {
  return db.selectFrom('meta').selectAll().where('id', '=', 1).executeTakeFirstOrThrow()
}

/** Under the lock. */
export async function updateMeta(
  db: Database,
  change: { readonly revision?: number; readonly floor?: number; readonly lineage?: string },
): Promise<void> {
  const meta = { ...(await metaRow(db)), ...change }
  await db
    .updateTable('meta')
    .set({ ...change, crc: metaCrc(meta) })
    .where('id', '=', 1)
    .execute()
}

export function metaCrc({
  schema_version,
  lineage,
  revision,
  floor,
}: Omit<MetaTable, 'crc'>): number {
  return crc32([schema_version, lineage, revision, floor].join(' '))
}
