/** spire.api.server.svid.v1: what is signed, and for whom. WIT-SVIDs are not offered, as by a SPIRE server without its flag. */
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { createTurn } from '../api/turns.ts'
import { unaryService } from '../service.ts'
import type { ApiService } from '../service.ts'
import { invalid } from '../worded.ts'
import { newX509Svids } from './batch.ts'
import { newDownstreamCa } from './downstream.ts'
import { mintJwtSvid, newJwtSvid } from './jwt.ts'
import { mintX509Svid } from './mint.ts'
import type { SvidParts } from './parts.ts'

/** As SPIRE has it; an agent asks for so many at once at most. */
const SIGNINGS_PER_SECOND = 500

export function createSvidService(parts: SvidParts): ApiService {
  // As in SPIRE, X.509 and JWT are counted apart.
  const { clock, audit, signingsPerSecond: perSecond = SIGNINGS_PER_SECOND } = parts
  const turn = createTurn({ clock, audit, perSecond })
  const turnOfJwt = createTurn({ clock, audit, perSecond })
  return unaryService(
    SVID,
    {
      mintX509SVID: (request, asked) => mintX509Svid(parts, request, asked),
      mintJWTSVID: (request, asked) => mintJwtSvid(parts, request, asked),
      async batchNewX509SVID({ params }, asked) {
        if (params.length === 0) throw invalid('missing parameters')
        await turn('certificate signing rate limiting', asked, params.length)
        return { results: [...(await newX509Svids(parts, params, asked))] }
      },
      async newJWTSVID(request, asked) {
        await turnOfJwt('JWT signing request rate limiting', asked)
        return newJwtSvid(parts, request, asked)
      },
      async newDownstreamX509CA(request, asked) {
        await turn('downstream CA signing rate limit', asked)
        return newDownstreamCa(parts, request, asked)
      },
    },
    parts.faulted,
  )
}
