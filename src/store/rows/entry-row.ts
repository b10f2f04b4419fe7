import { Buffer } from 'node:buffer'
import type { Insertable } from 'kysely'
import type { EntryContent, EntryId, ServerEntry } from '../../registration/server-entry.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { NewEntry } from '../model.ts'
import { checkText, digest, read, written } from './body.ts'
import type { EntryTable } from './tables.ts'

export type EntryRow = Pick<EntryTable, 'id' | 'body' | 'crc'>

/** Of the Workload API, where a hint ends up. */
const MAX_HINT_BYTES = 1024

/** Sets as sets, members that say nothing left out: equal entries are equal values then. */
function normal(content: EntryContent): EntryContent {
  const { x509SvidTtlMs, jwtSvidTtlMs, expiresAt } = content
  return {
    spiffeId: content.spiffeId,
    parentId: content.parentId,
    selectors: sorted(content.selectors),
    ...(x509SvidTtlMs !== undefined && { x509SvidTtlMs }),
    ...(jwtSvidTtlMs !== undefined && { jwtSvidTtlMs }),
    federatesWith: sorted(content.federatesWith),
    dnsNames: content.dnsNames,
    admin: content.admin,
    downstream: content.downstream,
    storeSvid: content.storeSvid,
    hint: content.hint,
    ...(expiresAt !== undefined && { expiresAt }),
    disableX509SvidPrefetch: content.disableX509SvidPrefetch,
    jwtSvidIncludeJti: content.jwtSvidIncludeJti,
  }
}

/** @throws SpindleError `request_invalid` for what must never be kept, whoever asks */
export function checkedEntry<T extends EntryContent>(entry: T): EntryContent {
  if (entry.selectors.length === 0)
    throw new SpindleError('request_invalid', 'an entry has at least one selector')
  if (Buffer.byteLength(entry.hint) > MAX_HINT_BYTES)
    throw new SpindleError('request_invalid', `a hint has ${MAX_HINT_BYTES} bytes at most`)
  checkText(entry.hint, 'the hint of an entry')
  return normal(entry)
}

export function createdEntry(
  { id, ...content }: NewEntry & { readonly id: EntryId },
  now: number,
): ServerEntry {
  return { id, ...normal(content), revision: 0, createdAt: now }
}

/** @returns undefined where nothing changes */
export function changedEntry(entry: ServerEntry, content: EntryContent): ServerEntry | undefined {
  const next = { id: entry.id, ...normal(content) }
  const { revision, createdAt } = entry
  if (JSON.stringify({ ...next, revision, createdAt }) === JSON.stringify(entry)) return undefined
  return { ...next, revision: revision + 1, createdAt }
}

export function likeness({ spiffeId, parentId, selectors }: EntryContent): string {
  return digest(JSON.stringify([spiffeId, parentId, sorted(selectors)]))
}

export function entryRow(entry: ServerEntry): Insertable<EntryTable> {
  return {
    id: entry.id,
    spiffe_id: entry.spiffeId,
    parent_id: entry.parentId,
    likeness: likeness(entry),
    hint: entry.hint,
    downstream: Number(entry.downstream),
    expires_at: entry.expiresAt ?? null,
    member_count: entry.selectors.length,
    federation_count: entry.federatesWith.length,
    ...written(entry),
  }
}

export function entryOf(row: EntryRow): ServerEntry {
  return read(row, `entry ${row.id}`)
}

function sorted<T extends string>(members: readonly T[]): readonly T[] {
  return Array.from(new Set(members)).sort()
}
