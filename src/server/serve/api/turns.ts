/** How often one address may ask, as SPIRE's API has it. A process of this host is not counted. */
import type { Clock } from '../../../runtime/clock.ts'
import { codeOf, ERRORS } from '../../../runtime/errors.ts'
import { createRateLimits } from '../../admit/rate-limits.ts'
import { addressKey } from '../../audit/address.ts'
import type { Audit } from '../../audit/audit.ts'
import type { Asked } from '../service.ts'
import { refused } from '../worded.ts'

/**
 * Resolves when it is the turn of who asks. @throws WordedStatus that names the `limit`, where the line is too long; of a client
 * that has gone meanwhile, and takes no turn, the reason of the signal
 */
export type Turn = (limit: string, asked: Asked, count?: number) => Promise<void>

export function createTurn({
  perSecond,
  audit,
  ...options
}: {
  readonly clock: Clock
  readonly audit: Audit
  /** Of one address; false: as many as come. */
  readonly perSecond: number | false
  readonly longestWaitMs?: number
}): Turn {
  const limits = perSecond === false ? undefined : createRateLimits({ ...options, perSecond })
  return async (limit, { peer, caller, method, signal }, count = 1) => {
    if (peer.kind === 'local') return
    try {
      await limits?.take(addressKey(peer.address), count, signal)
    } catch (thrown) {
      if (codeOf(thrown) !== 'limit_reached') throw thrown
      audit.write({ event: 'denied', caller, method, reason: 'rate_limited', detail: limit })
      throw refused(ERRORS[codeOf(thrown)].grpc, `rejecting request due to ${limit}`, thrown)
    }
  }
}
