import { status } from '../../../runtime/grpc-status.ts'
import type { EntryId, ServerEntry } from '../../../registration/server-entry.ts'
import type { Asked } from '../service.ts'
import type { ItemStatus } from '../api/status.ts'
import { worded } from '../worded.ts'
import type { SvidParts } from './parts.ts'

/** Of entries that are there for others no more is said than of those that are not. */
export const NOT_YOURS: ItemStatus = worded(status.NOT_FOUND, 'entry not found or not authorized')

/** The entry with this id where the agent that asks may serve it; who asks for another one is in the audit. */
export function entryOfAgent(
  { registry, clock, audit }: SvidParts,
  id: string,
  { peer, caller, method }: Asked,
): ServerEntry | undefined {
  const agent = peer.kind === 'remote' ? peer.svid?.spiffeId : undefined
  const entry = registry.entry(id as EntryId)
  if (agent !== undefined && entry !== undefined && registry.mayServe(agent, entry.id)) {
    // It is pruned a little later.
    if ((entry.expiresAt ?? Infinity) > clock.now()) return entry
  }
  const detail = id.slice(0, 255)
  audit.write({ event: 'denied', caller, method, reason: 'entry_not_authorized', detail })
  return undefined
}
