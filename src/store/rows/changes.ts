import { nextTurn } from '../../runtime/slices.ts'
import type { Database, Engine } from '../engine.ts'
import { reading } from '../engine.ts'
import { pageStart } from '../paging.ts'
import type { ChangeKind, ChangeLog, Changes, Position } from '../port.ts'
import type { Writer } from '../writer.ts'
import { metaRow, updateMeta } from './meta.ts'
import type { MetaTable } from './tables.ts'

/** Rows that are forgotten in one transaction. */
const CHUNK = 2000

export function createChanges(engine: Engine, writer: Writer): ChangeLog {
  return {
    revisions: engine.revisions,
    async position() {
      return positionOf(await reading(engine, metaRow))
    },
    async since(position, limit) {
      pageStart({ limit })
      return await reading(engine, (db) => changesSince(db, position, limit))
    },
    async prune(before) {
      for (let pruned = 0; ;) {
        const gone = await writer.write(async ({ db }) => {
          const rows = await db
            .selectFrom('changes')
            .select('revision')
            .where('at', '<', before)
            .orderBy('revision')
            .limit(CHUNK)
            .execute()
          const last = rows.at(-1)
          if (last === undefined) return 0
          // The clock may have been set back: the floor is what counts, and nothing below it is of use to anybody.
          const { numDeletedRows } = await db
            .deleteFrom('changes')
            .where('revision', '<=', last.revision)
            .executeTakeFirst()
          await updateMeta(db, { floor: last.revision })
          return Number(numDeletedRows)
        })
        pruned += gone
        if (gone < CHUNK) return pruned
        await nextTurn()
      }
    },
  }
}

const positionOf = ({ lineage, revision }: MetaTable): Position => ({ lineage, revision })

/**
 * Each statement sees what is committed when it begins, so the order counts. Head first: a change after it is told the next
 * time. Floor last: what was forgotten meanwhile is noticed.
 */
async function changesSince(db: Database, from: Position, limit: number): Promise<Changes> {
  const head = await metaRow(db)
  const position = positionOf(head)
  const foreign = from.lineage !== head.lineage || from.revision > head.revision
  if (foreign) return { kind: 'start_anew', position }
  const rows = await db
    .selectFrom('changes')
    .select(['revision', 'kind', 'key'])
    .where('revision', '>', from.revision)
    .where('revision', '<=', head.revision)
    .orderBy('revision')
    .limit(limit + 1)
    .execute()
  const { floor, lineage } = await metaRow(db)
  if (from.revision < floor || lineage !== head.lineage) return { kind: 'start_anew', position }
  const more = rows.length > limit
  const changes = rows.slice(0, limit).map((row) => ({ ...row, kind: row.kind as ChangeKind }))
  return {
    kind: 'changes',
    changes,
    position: more ? { ...position, revision: changes.at(-1)!.revision } : position,
    more,
  }
}
