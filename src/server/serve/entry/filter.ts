import type { ListEntriesRequest_Filter as Filter } from '../../../gen/spire/api/server/entry/v1/entry_pb.js'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { EntryFilter } from '../../../store/port.ts'
import { readMemberId, readWorkloadId } from '../api/ids.ts'
import type { Fields } from '../api/mask.ts'
import { readFederationFilter, readSelectorFilter } from '../api/selectors.ts'
import { reading } from '../api/status.ts'
import { readHint } from './message.ts'

/** That of ListEntries, or of CountEntries, which has the same fields. @throws WordedStatus in SPIRE's words */
export function readFilter(filter: Fields<Filter> | undefined, own: TrustDomain): EntryFilter {
  const { byParentId, bySpiffeId, bySelectors, byFederatesWith, byHint, byDownstream } =
    filter ?? {}
  return {
    parentId:
      byParentId && reading('malformed parent ID filter', () => readMemberId(byParentId, own)),
    spiffeId:
      bySpiffeId && reading('malformed SPIFFE ID filter', () => readWorkloadId(bySpiffeId, own)),
    selectors:
      bySelectors && reading('malformed selectors filter', () => readSelectorFilter(bySelectors)),
    federatesWith:
      byFederatesWith &&
      reading('malformed federates with filter', () => readFederationFilter(byFederatesWith)),
    // As in SPIRE, an empty one asks for nothing.
    hint: byHint ? reading('malformed hint filter', () => readHint(byHint)) : undefined,
    downstream: byDownstream,
  }
}
