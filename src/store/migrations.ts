import { sql } from 'kysely'
import { SpindleError } from '../runtime/errors.ts'
import type { Random } from '../runtime/random.ts'
import type { Database } from './engine.ts'
import { metaCrc } from './rows/meta.ts'

export type EngineKind = 'sqlite' | 'postgres'

/** What this Spindle reads and writes. */
export const SCHEMA_VERSION = 2

/** From `version - 1`; never changed once it was released. */
interface Migration {
  readonly version: number
  readonly up: (kind: EngineKind) => readonly string[]
}

const MIGRATIONS: readonly Migration[] = [
  { version: 1, up: firstTables },
  { version: 2, up: agentReports },
]

/**
 * Brings the tables to the present version, in the transaction it is called in.
 * @returns the version they had; 0: there were none
 * @throws SpindleError `store_newer`, without having changed anything
 */
export async function migrate(
  db: Database,
  kind: EngineKind,
  random: Random,
): Promise<{ readonly from: number }> {
  const from = await schemaVersion(db, kind)
  checkVersion(from)
  if (from === SCHEMA_VERSION) return { from }
  for (const { version, up } of MIGRATIONS) {
    if (version <= from) continue
    for (const statement of up(kind)) await sql.raw(statement).execute(db)
  }
  if (from === 0) {
    const meta = { id: 1, lineage: newLineage(random), revision: 0, floor: 0 }
    const row = { ...meta, schema_version: SCHEMA_VERSION }
    await db
      .insertInto('meta')
      .values({ ...row, crc: metaCrc(row) })
      .execute()
  } else {
    const row = await db.selectFrom('meta').selectAll().executeTakeFirstOrThrow()
    const next = { ...row, schema_version: SCHEMA_VERSION }
    await db
      .updateTable('meta')
      .set({ ...next, crc: metaCrc(next) })
      .execute()
  }
  return { from }
}

/** @throws SpindleError `store_newer` */
export function checkVersion(found: number): void {
  if (found > SCHEMA_VERSION)
    throw new SpindleError(
      'store_newer',
      `the store has version ${found}, and this Spindle knows none after ${SCHEMA_VERSION}: a newer one wrote it, and it does not go back`,
    )
}

export function newLineage(random: Random): string {
  return random.bytes(12).toString('hex')
}

async function schemaVersion(db: Database, kind: EngineKind): Promise<number> {
  const { rows } =
    kind === 'sqlite'
      ? await sql`select 1 from sqlite_schema where type = 'table' and name = 'meta'`.execute(db)
      : await sql`select 1 where to_regclass('meta') is not null`.execute(db)
  if (rows.length === 0) return 0
  const { schema_version } = await db
    .selectFrom('meta')
    .select('schema_version')
    .executeTakeFirstOrThrow()
  return schema_version
}

function typesOf(kind: EngineKind) {
  const sqlite = kind === 'sqlite'
  return {
    sqlite,
    // PostgreSQL would order texts by the rules of a language.
    text: sqlite ? 'text not null' : 'text collate "C" not null',
    int: sqlite ? 'integer not null' : 'bigint not null',
    table: (name: string, columns: readonly string[], end = sqlite ? ' strict' : ''): string =>
      `create table ${name} (${columns.join(', ')})${end}`,
  }
}

function agentReports(kind: EngineKind): readonly string[] {
  const { text, int, table } = typesOf(kind)
  return [
    table('agent_reports', [
      `agent ${text} references agents (id) on delete cascade`,
      `server ${text}`,
      `body ${text}`,
      `crc ${int}`,
      'primary key (agent, server)',
    ]),
    'create index agent_reports_server on agent_reports (server)',
  ]
}

function firstTables(kind: EngineKind): readonly string[] {
  const { sqlite, text, int, table } = typesOf(kind)
  const members = (name: string, of: string): readonly string[] => [
    table(
      name,
      [
        `owner ${text} references ${of} (id) on delete cascade`,
        `member ${text}`,
        'primary key (owner, member)',
      ],
      sqlite ? ' strict, without rowid' : '',
    ),
    `create index ${name}_member on ${name} (member, owner)`,
  ]
  const body = [`body ${text}`, `crc ${int}`]
  const maybeInt = int.replace(' not null', '')
  return [
    table('meta', [
      `id ${int} primary key check (id = 1)`,
      `schema_version ${int}`,
      `lineage ${text}`,
      `revision ${int}`,
      `floor ${int}`,
      `crc ${int}`,
    ]),
    table('entries', [
      `id ${text} primary key`,
      ...['spiffe_id', 'parent_id', 'likeness', 'hint'].map((name) => `${name} ${text}`),
      `downstream ${int}`,
      `expires_at ${maybeInt}`,
      `member_count ${int}`,
      `federation_count ${int}`,
      ...body,
    ]),
    'create index entries_spiffe_id on entries (spiffe_id, id)',
    'create index entries_parent_id on entries (parent_id, id)',
    'create unique index entries_likeness on entries (likeness)',
    'create index entries_hint on entries (hint, id)',
    'create index entries_expires_at on entries (expires_at) where expires_at is not null',
    ...members('entry_selectors', 'entries'),
    ...members('entry_federation', 'entries'),
    table('agents', [
      `id ${text} primary key`,
      `attestation_type ${text}`,
      ...['banned', 'can_reattest', 'expires_at', 'member_count'].map((name) => `${name} ${int}`),
      ...body,
    ]),
    'create index agents_expires_at on agents (expires_at)',
    ...members('agent_selectors', 'agents'),
    table('records', [
      `kind ${text}`,
      `key ${text}`,
      `expires_at ${maybeInt}`,
      ...body,
      'primary key (kind, key)',
    ]),
    'create index records_expires_at on records (kind, expires_at) where expires_at is not null',
    table('changes', [
      `revision ${int} primary key`,
      `kind ${text}`,
      `key ${text}`,
      `at ${int}`,
      'unique (kind, key)',
    ]),
    'create index changes_at on changes (at, revision)',
  ]
}
