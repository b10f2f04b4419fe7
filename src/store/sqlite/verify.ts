import type { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import { SpindleError } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/random.ts'
import { nextTurn } from '../../runtime/slices.ts'
import type { Database } from '../engine.ts'
import { migrate } from '../migrations.ts'
import { agentOf, agentRow } from '../rows/agents.ts'
import { corrupt, digest } from '../rows/body.ts'
import { entryOf, entryRow } from '../rows/entry-row.ts'
import { TOKEN } from '../rows/join-tokens.ts'
import { metaCrc, metaRow } from '../rows/meta.ts'
import { readRecord } from '../rows/records.ts'
import { kyselyOver, openDatabase } from './database.ts'

const ROWS_A_TURN = 500

/**
 * Whether the pages of the file hang together, and each index has what its table has.
 * @throws SpindleError `store_corrupt`, the error of SQLite
 */
export function verifyPages(database: DatabaseSync): void {
  const said = database.prepare('pragma integrity_check(3)').all()
  const orphans = database.prepare('pragma foreign_key_check').all()
  const faults = said.map((row) => String(row['integrity_check'])).filter((text) => text !== 'ok')
  if (orphans.length > 0) faults.push('rows whose owner is missing')
  if (faults.length > 0) throw new SpindleError('store_corrupt', `the store: ${faults.join('; ')}`)
}

/** Whether the tables and indexes are those that are made; there may be more. @throws SpindleError `store_corrupt` */
export async function verifySchema(db: Database, random: Random): Promise<void> {
  const fresh = kyselyOver(openDatabase(':memory:'))
  try {
    await migrate(fresh, 'sqlite', random)
    const found = new Set(await schemaOf(db))
    for (const part of await schemaOf(fresh))
      if (!found.has(part)) throw corrupt(`the table or index ${part.split(' ')[1]}`)
  } finally {
    await fresh.destroy()
  }
}

async function schemaOf(db: Database): Promise<readonly string[]> {
  const { rows } = await sql<{
    type: string
    name: string
    of: string
    text: string | null
  }>`select type, name, tbl_name as of, sql as text from sqlite_schema`.execute(db)
  return rows.map(({ type, name, of, text }) => [type, name, of, text].join(' '))
}

/**
 * Whether each value is what was written, and what it is looked up by fits it. With the indexes, which hold a copy of what the
 * bodies do not, this finds every flipped bit that matters.
 * @throws SpindleError `store_corrupt`
 */
export async function verifyRows(db: Database): Promise<void> {
  const meta = await metaRow(db)
  const newest = await db
    .selectFrom('changes')
    .select((e) => e.fn.max('revision').as('revision'))
    .executeTakeFirstOrThrow()
  if (meta.crc !== metaCrc(meta) || meta.revision < (newest.revision ?? 0))
    throw corrupt('the revision')
  await verifyOwners(db, {
    table: 'entries',
    expected: (row) => {
      const entry = entryOf(row)
      const { selectors, federatesWith } = entry
      return { row: entryRow(entry), sets: [selectors, federatesWith] }
    },
    members: ['entry_selectors', 'entry_federation'],
  })
  await verifyOwners(db, {
    table: 'agents',
    expected: (row) => {
      const agent = agentOf(row)
      return { row: agentRow(agent), sets: [agent.selectors] }
    },
    members: ['agent_selectors'],
  })
  await verifyRecords(db)
}

interface Owners {
  readonly table: 'entries' | 'agents'
  readonly expected: (row: {
    readonly id: string
    readonly body: string
    readonly crc: number
  }) => {
    readonly row: object
    readonly sets: readonly (readonly string[])[]
  }
  /** In the order of `sets`. */
  readonly members: readonly ('entry_selectors' | 'entry_federation' | 'agent_selectors')[]
}

async function verifyOwners(db: Database, { table, expected, members }: Owners): Promise<void> {
  for (let after = ''; ;) {
    const rows = await db
      .selectFrom(table)
      .selectAll()
      .where('id', '>', after)
      .orderBy('id')
      .limit(ROWS_A_TURN)
      .execute()
    const [first, last] = [rows[0], rows.at(-1)]
    if (first === undefined || last === undefined) return
    const found = members.map((): string[] => [])
    const wanted = members.map((): string[] => [])
    for (const [index, name] of members.entries()) {
      const pairs = await db
        .selectFrom(name)
        .selectAll()
        .where('owner', '>=', first.id)
        .where('owner', '<=', last.id)
        .execute()
      found[index] = pairs.map(({ owner, member }) => `${owner} ${member}`)
    }
    for (const row of rows) {
      const { row: same, sets } = expected(row)
      if (!alike(row, same)) throw corrupt(`a column of ${table} ${row.id}`)
      sets.forEach((set, index) =>
        wanted[index]!.push(...set.map((member) => `${row.id} ${digest(member)}`)),
      )
    }
    found.forEach((pairs, index) => {
      if (pairs.sort().join('\n') !== wanted[index]!.sort().join('\n'))
        throw corrupt(`a row of ${members[index]}`)
    })
    after = last.id
    await nextTurn()
  }
}

async function verifyRecords(db: Database): Promise<void> {
  let [kind, key] = ['', '']
  for (;;) {
    const rows = await db
      .selectFrom('records')
      .selectAll()
      .where((e) => e.or([e('kind', '>', kind), e.and([e('kind', '=', kind), e('key', '>', key)])]))
      .orderBy('kind')
      .orderBy('key')
      .limit(ROWS_A_TURN)
      .execute()
    for (const row of rows) {
      const value: { readonly expiresAt?: number } = readRecord(row.kind, row)
      const expiresAt = row.kind === TOKEN ? value.expiresAt : null
      if (row.expires_at !== expiresAt) throw corrupt(`a column of ${row.kind} ${row.key}`)
      ;({ kind, key } = row)
    }
    if (rows.length < ROWS_A_TURN) return
    await nextTurn()
  }
}

function alike(row: object, other: object): boolean {
  const text = (one: object): string =>
    JSON.stringify(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
  return text(row) === text(other)
}
