import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { SpindleError } from '../../runtime/errors.ts'
import type { Database } from '../engine.ts'
import type { SetFilter } from '../port.ts'
import { digest } from './body.ts'

type Members = 'entry_selectors' | 'entry_federation' | 'agent_selectors'

/** In each statement they stand one by one. */
const MOST_ASKED = 1000
const ROWS_A_STATEMENT = 500

/**
 * The condition that the set of a row's members compares so.
 * @param row the column that the members' `owner` is, and the one that counts them
 * @throws SpindleError `request_invalid` for more members than a filter may name
 */
export function setCondition(
  members: Members,
  row: { readonly owner: string; readonly count: string },
  { match, of }: SetFilter<string>,
): RawBuilder<boolean> {
  const asked = Array.from(new Set(of), digest)
  if (asked.length > MOST_ASKED)
    throw new SpindleError(
      'request_invalid',
      `a filter names ${MOST_ASKED} members of a set at most`,
    )
  const [table, owner, count] = [sql.table(members), sql.ref(row.owner), sql.ref(row.count)]
  if (asked.length === 0) {
    if (match === 'exact') return sql`${count} = 0`
    return match === 'superset' ? sql`1 = 1` : sql`1 = 0`
  }
  const list = sql.join(asked)
  const any = sql`${owner} in (select owner from ${table} where member in (${list}))`
  if (match === 'any') return sql`${any}`
  if (match === 'subset')
    // That one is among them is said too, for there is an index for it.
    return sql`(${any} and not exists
      (select 1 from ${table} as other where other.owner = ${owner} and other.member not in (${list})))`
  const all = sql`${owner} in (select owner from ${table} where member in (${list})
    group by owner having count(*) = ${sql.lit(asked.length)})`
  return match === 'superset' ? sql`${all}` : sql`(${all} and ${count} = ${sql.lit(asked.length)})`
}

/** Members are written as they are unique in `sets`. */
export async function insertMembers(
  db: Database,
  members: Members,
  sets: readonly (readonly [owner: string, members: readonly string[]])[],
): Promise<void> {
  const rows = sets.flatMap(([owner, of]) => of.map((one) => ({ owner, member: digest(one) })))
  for (let at = 0; at < rows.length; at += ROWS_A_STATEMENT)
    await db
      .insertInto(members)
      .values(rows.slice(at, at + ROWS_A_STATEMENT))
      .execute()
}

export async function replaceMembers(
  db: Database,
  members: Members,
  [owner, of]: readonly [owner: string, members: readonly string[]],
): Promise<void> {
  await db.deleteFrom(members).where('owner', '=', owner).execute()
  await insertMembers(db, members, [[owner, of]])
}
