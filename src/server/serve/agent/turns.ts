import { createRateLimits } from '../../admit/rate-limits.ts'
import type { RateLimits } from '../../admit/rate-limits.ts'
import { refused } from '../worded.ts'
import { codeOf, ERRORS } from '../../../runtime/errors.ts'
import type { Asked } from '../service.ts'
import type { AgentParts } from './parts.ts'

/** Each resolves when it is the turn of who asks. @throws WordedStatus where the line is too long */
export interface Turns {
  attest(asked: Asked): Promise<void>
  renew(asked: Asked): Promise<void>
  report(asked: Asked): Promise<void>
}

/** SPIRE's, for one address. */
const ATTESTATIONS_PER_SECOND = 1
const SIGNINGS_PER_SECOND = 500
const REPORTS_PER_SECOND = 10
/** A fleet behind one address comes in one by one. */
const LONGEST_WAIT_MS = 60_000

export function createTurns(parts: AgentParts): Turns {
  const { clock } = parts
  const {
    attestationsPerSecond = ATTESTATIONS_PER_SECOND,
    signingsPerSecond = SIGNINGS_PER_SECOND,
  } = parts
  const limits = (perSecond: number | false, longestWaitMs?: number): RateLimits | undefined =>
    perSecond === false
      ? undefined
      : createRateLimits({ clock, perSecond, ...(longestWaitMs && { longestWaitMs }) })
  const turn =
    (what: string, limited: RateLimits | undefined) =>
    async ({ peer }: Asked): Promise<void> => {
      if (peer.kind === 'local') return
      try {
        await limited?.take(peer.address, 1)
      } catch (thrown) {
        const why = `rejecting request due to ${what} rate limiting`
        throw refused(ERRORS[codeOf(thrown)].grpc, why, thrown)
      }
    }
  return {
    attest: turn('attest agent', limits(attestationsPerSecond, LONGEST_WAIT_MS)),
    renew: turn('renew agent', limits(signingsPerSecond)),
    report: turn('post status', limits(REPORTS_PER_SECOND)),
  }
}
