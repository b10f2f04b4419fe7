import { hash } from 'node:crypto'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { Entry } from './entry.ts'
import type { ServerEntry } from './server-entry.ts'

/**
 * The entry callers are matched with, of one that a server has; undefined where it is for no caller: one whose SVIDs go to
 * a store, or one that has expired. Its lives are the server's to keep, yet a change of them makes the identity another.
 */
export function servedEntry(entry: ServerEntry, own: TrustDomain, now: number): Entry | undefined {
  if (entry.storeSvid || !isInForce(entry, now)) return undefined
  const { spiffeId, selectors, dnsNames, hint, x509SvidTtlMs, jwtSvidTtlMs } = entry
  const content = {
    spiffeId,
    selectors,
    dnsNames,
    federatesWith: entry.federatesWith.filter((name) => name !== own),
    hint,
    default: false,
    ...(x509SvidTtlMs !== undefined && { x509SvidTtlMs }),
    ...(jwtSvidTtlMs !== undefined && { jwtSvidTtlMs }),
  }
  return { id: idOf(entry, content), serverId: entry.id, ...content }
}

function isInForce({ expiresAt }: ServerEntry, now: number): boolean {
  return expiresAt === undefined || now < expiresAt
}

/** When what `servedEntry` says next changes by itself; undefined: never. */
export function nextExpiry(entries: readonly ServerEntry[], now: number): number | undefined {
  let next: number | undefined
  for (const { expiresAt } of entries)
    if (expiresAt !== undefined && expiresAt > now && (next === undefined || expiresAt < next))
      next = expiresAt
  return next
}

/** Entries of one line are for the same X.509-SVID, whatever else of them differs; undefined: of a file, and a line of its own. */
export function lineOf(entry: Entry): string | undefined {
  const { serverId, spiffeId, dnsNames, x509SvidTtlMs = null } = entry
  return serverId === undefined
    ? undefined
    : JSON.stringify([serverId, spiffeId, dnsNames, x509SvidTtlMs])
}

/** As of an entry of a file: another one where anything of it is. 32 hex digits. */
function idOf({ id }: ServerEntry, content: Omit<Entry, 'id'>): string {
  const places = [
    id,
    content.spiffeId,
    content.selectors,
    content.dnsNames,
    content.federatesWith,
    content.hint,
    content.x509SvidTtlMs ?? null,
    content.jwtSvidTtlMs ?? null,
  ]
  return hash('sha256', JSON.stringify(places), 'hex').slice(0, 32)
}
