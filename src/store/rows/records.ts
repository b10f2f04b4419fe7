import type { Database, Engine } from '../engine.ts'
import { reading } from '../engine.ts'
import { pageOf, pageStart } from '../paging.ts'
import { MOST_A_PAGE } from '../port.ts'
import type { Change, ChangeKind, Page, PageRequest } from '../port.ts'
import type { Write, Writer } from '../writer.ts'
import { read, written } from './body.ts'

/** Values of one kind, as rows of `records`. */
export interface Kind<V> {
  readonly kind: ChangeKind
  /** As JSON, with its members in one order: equal values give equal texts. */
  readonly write: (value: V) => object
  /** What `write` gave. */
  readonly read: (json: never) => V
}

export interface Records<V> {
  get(key: string): Promise<V | undefined>
  list(page: PageRequest): Promise<Page<V>>
  /** For kinds of which there are few. */
  all(): Promise<readonly V[]>
  count(): Promise<number>
  change(key: string, change: Change<V>): Promise<V | undefined>
}

export function createRecords<V>(engine: Engine, writer: Writer, kind: Kind<V>): Records<V> {
  const name = kind.kind
  const list = async (page: PageRequest): Promise<Page<V>> => {
    const { limit, after } = pageStart(page)
    return await reading(engine, async (db) => {
      const rows = await db
        .selectFrom('records')
        .select(['key', 'body', 'crc'])
        .where('kind', '=', name)
        .where('key', '>', after)
        .orderBy('key')
        .limit(limit + 1)
        .execute()
      const value = (row: (typeof rows)[number]): V => kind.read(readRecord(name, row))
      return pageOf(rows, limit, { key: ({ key }) => key, value })
    })
  }
  return {
    get: (key) => reading(engine, (db) => recordByKey(db, kind, key)),
    list,
    async all() {
      const all: V[] = []
      let token: string | undefined
      do {
        const page = await list({ limit: MOST_A_PAGE, token })
        all.push(...page.items)
        token = page.next
      } while (token !== undefined)
      return all
    },
    count: () =>
      reading(engine, async (db) => {
        const { count } = await db
          .selectFrom('records')
          .where('kind', '=', name)
          .select((e) => e.fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow()
        return Number(count)
      }),
    change: (key, change) => writer.write((write) => changeRecord(write, kind, { key, change })),
  }
}

export async function recordByKey<V>(
  db: Database,
  kind: Kind<V>,
  key: string,
): Promise<V | undefined> {
  const row = await db
    .selectFrom('records')
    .select(['key', 'body', 'crc'])
    .where('kind', '=', kind.kind)
    .where('key', '=', key)
    .executeTakeFirst()
  return row === undefined ? undefined : kind.read(readRecord(kind.kind, row))
}

/** `quietly`: nobody else need hear of it. */
export async function changeRecord<V>(
  { db, changed }: Write,
  kind: Kind<V>,
  ask: { readonly key: string; readonly change: Change<V>; readonly quietly?: boolean },
): Promise<V | undefined> {
  const { key, change, quietly = false } = ask
  const current = await recordByKey(db, kind, key)
  const next = change(current)
  if (next === undefined) {
    if (current !== undefined) {
      await deleteRecord(db, kind.kind, key)
      changed(kind.kind, key)
    }
    return undefined
  }
  const body = written(kind.write(next))
  if (current !== undefined && body.body === written(kind.write(current)).body) return current
  await db
    .insertInto('records')
    .values({ kind: kind.kind, key, expires_at: null, ...body })
    .onConflict((conflict) => conflict.columns(['kind', 'key']).doUpdateSet(body))
    .execute()
  if (!quietly) changed(kind.kind, key)
  return next
}

export async function deleteRecord(db: Database, kind: string, key: string): Promise<void> {
  await db.deleteFrom('records').where('kind', '=', kind).where('key', '=', key).execute()
}

export function readRecord(
  kind: string,
  row: { readonly key: string; readonly body: string; readonly crc: number },
): never {
  // A token's key is a hash, which says nothing of it.
  return read<never>(row, `${kind} ${row.key}`)
}
