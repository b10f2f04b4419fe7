import type { SelectQueryBuilder } from 'kysely'
import { parseEntryId } from '../../registration/server-entry.ts'
import type { EntryId, ServerEntry } from '../../registration/server-entry.ts'
import { drawUuid } from '../../runtime/random.ts'
import type { Random } from '../../runtime/random.ts'
import { nextTurn } from '../../runtime/slices.ts'
import { reading } from '../engine.ts'
import type { Database, Engine } from '../engine.ts'
import type { NewEntry } from '../model.ts'
import { pageOf, pageStart } from '../paging.ts'
import type { Created, Deleted, EntryChange, EntryFilter, EntryStore, Updated } from '../port.ts'
import type { Write, Writer } from '../writer.ts'
import {
  changedEntry,
  checkedEntry,
  createdEntry,
  entryOf,
  entryRow,
  likeness,
} from './entry-row.ts'
import { insertMembers, replaceMembers, setCondition } from './members.ts'
import type { Tables } from './tables.ts'

/** Rows of one statement, and work between two turns of the event loop. */
const CHUNK = 100
const COLUMNS = ['id', 'body', 'crc'] as const

export function createEntries(engine: Engine, writer: Writer, random: Random): EntryStore {
  return {
    async get(id) {
      const rows = await reading(engine, (db) => byIds(db, [id]))
      return rows[0]
    },
    getMany: (ids) =>
      reading(engine, async (db) => {
        const found: ServerEntry[] = []
        for (const some of chunks(ids)) found.push(...(await byIds(db, some)))
        return found
      }),
    async list(filter, page) {
      const { limit, after } = pageStart(page)
      return await reading(engine, async (db) => {
        const rows = await filtered(db, filter)
          .select(COLUMNS)
          .where('id', '>', after)
          .orderBy('id')
          .limit(limit + 1)
          .execute()
        return pageOf(rows, limit, { key: ({ id }) => id, value: entryOf })
      })
    },
    count: (filter) => reading(engine, (db) => countOf(filtered(db, filter))),
    async create(entries) {
      const named = entries.map((entry) => namedEntry(entry, random))
      return await writer.write(async (write) => {
        const outcomes: Created[] = []
        for (const some of chunks(named)) outcomes.push(...(await createSome(write, some)))
        return outcomes
      })
    },
    update: (changes) =>
      writer.write(async (write) => {
        const outcomes: Updated[] = []
        for (const some of chunks(changes)) {
          for (const change of some) outcomes.push(await updateOne(write, change))
          await nextTurn()
        }
        return outcomes
      }),
    delete: (ids) =>
      writer.write(async (write) => {
        const outcomes: Deleted<ServerEntry>[] = []
        for (const some of chunks(ids)) {
          outcomes.push(...(await deleteSome(write, some)))
          await nextTurn()
        }
        return outcomes
      }),
    async prune(now, tell) {
      for (let pruned = 0; ;) {
        const gone = await writer.write(async (write) => {
          const rows = await write.db
            .selectFrom('entries')
            .select('id')
            .where('expires_at', '<=', now)
            .orderBy('expires_at')
            .orderBy('id')
            .limit(CHUNK)
            .execute()
          return await deleteSome(
            write,
            rows.map(({ id }) => id as EntryId),
          )
        })
        tell?.(gone.flatMap((one) => (one.kind === 'deleted' ? [one.was] : [])))
        pruned += gone.length
        if (gone.length < CHUNK) return pruned
      }
    },
  }
}

/** Entries that federate with a trust domain, by id, `CHUNK` at most. */
export async function federatingWith(
  db: Database,
  trustDomain: string,
): Promise<readonly ServerEntry[]> {
  const rows = await db
    .selectFrom('entries')
    .select(COLUMNS)
    .where(federationCondition(trustDomain))
    .orderBy('id')
    .limit(CHUNK)
    .execute()
  return rows.map(entryOf)
}

export async function countFederating(db: Database, trustDomain: string): Promise<number> {
  return await countOf(db.selectFrom('entries').where(federationCondition(trustDomain)))
}

export async function deleteSome(
  { db, changed }: Write,
  ids: readonly EntryId[],
): Promise<readonly Deleted<ServerEntry>[]> {
  if (ids.length === 0) return []
  const there = new Map((await byIds(db, ids)).map((entry) => [entry.id, entry]))
  await db.deleteFrom('entries').where('id', 'in', ids).execute()
  return ids.map((id) => {
    const was = there.get(id)
    if (was === undefined || !there.delete(id)) return { kind: 'not_found' }
    changed('entry', id)
    return { kind: 'deleted', was }
  })
}

export async function updateOne(write: Write, { id, change }: EntryChange): Promise<Updated> {
  const { db } = write
  const [entry] = await byIds(db, [id])
  if (entry === undefined) return { kind: 'not_found' }
  const next = changedEntry(entry, checkedEntry(change(entry)))
  if (next === undefined) return { kind: 'unchanged', entry }
  const row = entryRow(next)
  const other = await db
    .selectFrom('entries')
    .select(COLUMNS)
    .where('likeness', '=', row.likeness)
    .where('id', '!=', id)
    .executeTakeFirst()
  if (other !== undefined) return { kind: 'similar', entry: entryOf(other) }
  await db.updateTable('entries').set(row).where('id', '=', id).execute()
  if (!equal(entry.selectors, next.selectors))
    await replaceMembers(db, 'entry_selectors', [id, next.selectors])
  if (!equal(entry.federatesWith, next.federatesWith))
    await replaceMembers(db, 'entry_federation', [id, next.federatesWith])
  write.changed('entry', id)
  return { kind: 'updated', entry: next }
}

type NamedEntry = NewEntry & { readonly id: EntryId }

/** @throws SpindleError `request_invalid` */
export function namedEntry(entry: NewEntry, random: Random): NamedEntry {
  const id = entry.id ?? parseEntryId(drawUuid(random))
  return { ...entry, ...checkedEntry(entry), id }
}

export async function createSome(
  { db, now, changed }: Write,
  entries: readonly NamedEntry[],
): Promise<readonly Created[]> {
  const likenesses = entries.map(likeness)
  const ids = entries.map(({ id }) => id)
  const rows = await db
    .selectFrom('entries')
    .select([...COLUMNS, 'likeness'])
    .where((e) => e.or([e('id', 'in', ids), e('likeness', 'in', likenesses)]))
    .execute()
  const byId = new Map(rows.map((row) => [row.id, entryOf(row)]))
  const byLikeness = new Map(rows.map((row) => [row.likeness, entryOf(row)]))
  const made: ServerEntry[] = []
  const outcomes = entries.map((asked, index): Created => {
    const similar = byLikeness.get(likenesses[index]!)
    if (similar !== undefined) return { kind: 'similar', entry: similar }
    const namesake = byId.get(asked.id)
    if (namesake !== undefined) return { kind: 'id_taken', entry: namesake }
    const entry = createdEntry(asked, now)
    byId.set(entry.id, entry)
    byLikeness.set(likenesses[index]!, entry)
    made.push(entry)
    changed('entry', entry.id)
    return { kind: 'created', entry }
  })
  if (made.length > 0) {
    await db.insertInto('entries').values(made.map(entryRow)).execute()
    const sets = <T>(of: (entry: ServerEntry) => T): [string, T][] =>
      made.map((entry) => [entry.id, of(entry)])
    await insertMembers(
      db,
      'entry_selectors',
      sets(({ selectors }) => selectors),
    )
    await insertMembers(
      db,
      'entry_federation',
      sets(({ federatesWith }) => federatesWith),
    )
  }
  await nextTurn()
  return outcomes
}

async function byIds(db: Database, ids: readonly EntryId[]): Promise<readonly ServerEntry[]> {
  const rows = await db.selectFrom('entries').select(COLUMNS).where('id', 'in', ids).execute()
  return rows.map(entryOf)
}

function filtered(
  db: Database,
  filter: EntryFilter,
): SelectQueryBuilder<Tables, 'entries', object> {
  const { spiffeId, parentId, selectors, federatesWith, hint, downstream } = filter
  let query = db.selectFrom('entries')
  if (spiffeId !== undefined) query = query.where('spiffe_id', '=', spiffeId)
  if (parentId !== undefined) query = query.where('parent_id', '=', parentId)
  if (hint !== undefined) query = query.where('hint', '=', hint)
  if (downstream !== undefined) query = query.where('downstream', '=', Number(downstream))
  if (selectors !== undefined)
    query = query.where(
      setCondition('entry_selectors', { owner: 'entries.id', count: 'member_count' }, selectors),
    )
  if (federatesWith !== undefined) {
    const row = { owner: 'entries.id', count: 'federation_count' }
    query = query.where(setCondition('entry_federation', row, federatesWith))
  }
  return query
}

async function countOf(query: SelectQueryBuilder<Tables, 'entries', object>): Promise<number> {
  const { count } = await query
    .select((e) => e.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

function federationCondition(trustDomain: string) {
  const row = { owner: 'entries.id', count: 'federation_count' }
  return setCondition('entry_federation', row, { match: 'any', of: [trustDomain] })
}

function* chunks<T>(all: readonly T[]): Iterable<readonly T[]> {
  for (let at = 0; at < all.length; at += CHUNK) yield all.slice(at, at + CHUNK)
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index])
}
