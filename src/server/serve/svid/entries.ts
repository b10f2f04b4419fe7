import { status } from '../../../runtime/grpc-status.ts'
import type { EntryId, ServerEntry } from '../../../registration/server-entry.ts'
import type { ServerPeer } from '../../admit/peer.ts'
import type { Asked } from '../service.ts'
import type { ItemStatus } from '../api/status.ts'
import { worded } from '../worded.ts'
import type { SvidParts } from './parts.ts'

/** Of entries that are there for others no more is said than of those that are not. */
export const NOT_YOURS: ItemStatus = worded(status.NOT_FOUND, 'entry not found or not authorized')

/** The entry with this id where the agent that asks may serve it; who asks for another one is in the audit. */
export function entryOfAgent(
  parts: SvidParts,
  id: string,
  { peer, caller, method }: Asked,
): ServerEntry | undefined {
  const entry = entryFor(parts, id, peer)
  if (entry !== undefined) return entry
  const detail = id.slice(0, 255)
  parts.audit.write({ event: 'denied', caller, method, reason: 'entry_not_authorized', detail })
  return undefined
}

/**
 * An agent may have heard of an entry from another server on the same store, a moment before this one: where one of these is not
 * there, the registry is brought up to date first.
 */
export async function expectEntries(
  parts: SvidParts,
  ids: readonly string[],
  { peer }: Asked,
): Promise<void> {
  if (ids.every((id) => entryFor(parts, id, peer) !== undefined)) return
  // While the store is away there is nothing newer to be had.
  await parts.registry.refreshed().catch(() => undefined)
}

function entryFor(
  { registry, clock }: SvidParts,
  id: string,
  peer: ServerPeer,
): ServerEntry | undefined {
  const agent = peer.kind === 'remote' ? peer.svid?.spiffeId : undefined
  const entry = registry.entry(id as EntryId)
  if (agent === undefined || entry === undefined || !registry.mayServe(agent, entry.id))
    return undefined
  // It is pruned a little later.
  return (entry.expiresAt ?? Infinity) > clock.now() ? entry : undefined
}
