/** spire.api.server.svid.v1: what is signed, and for whom. WIT-SVIDs are not offered, as by a SPIRE server without its flag. */
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { codeOf, ERRORS } from '../../../runtime/errors.ts'
import { createRateLimits } from '../../admit/rate-limits.ts'
import { unaryService } from '../service.ts'
import type { ApiService, Asked } from '../service.ts'
import { invalid, refused } from '../worded.ts'
import { newX509Svids } from './batch.ts'
import { newDownstreamCa } from './downstream.ts'
import { mintJwtSvid, newJwtSvid } from './jwt.ts'
import { mintX509Svid } from './mint.ts'
import type { SvidParts } from './parts.ts'

/** As SPIRE has it; an agent asks for so many at once at most. */
const SIGNINGS_PER_SECOND = 500

export function createSvidService(parts: SvidParts): ApiService {
  // As in SPIRE, X.509 and JWT are counted apart.
  const wait = createTurns(parts)
  const waitForJwt = createTurns(parts)
  return unaryService(
    SVID,
    {
      mintX509SVID: (request, asked) => mintX509Svid(parts, request, asked),
      mintJWTSVID: (request, asked) => mintJwtSvid(parts, request, asked),
      async batchNewX509SVID({ params }, asked) {
        if (params.length === 0) throw invalid('missing parameters')
        await wait('certificate signing rate limiting', params.length, asked)
        return { results: [...(await newX509Svids(parts, params, asked))] }
      },
      async newJWTSVID(request, asked) {
        await waitForJwt('JWT signing request rate limiting', 1, asked)
        return newJwtSvid(parts, request, asked)
      },
      async newDownstreamX509CA(request, asked) {
        await wait('downstream CA signing rate limit', 1, asked)
        return newDownstreamCa(parts, request, asked)
      },
    },
    parts.faulted,
  )
}

/** Waits until the address of who asks may have `count` more signatures. */
function createTurns({ clock, signingsPerSecond: perSecond = SIGNINGS_PER_SECOND }: SvidParts) {
  const limits = perSecond === false ? undefined : createRateLimits({ clock, perSecond })
  return async (why: string, count: number, { peer }: Asked): Promise<void> => {
    if (peer.kind === 'local') return
    try {
      await limits?.take(peer.address, count)
    } catch (thrown) {
      throw refused(ERRORS[codeOf(thrown)].grpc, `rejecting request due to ${why}`, thrown)
    }
  }
}
