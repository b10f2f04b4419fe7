/** spire.api.server.svid.v1: what is signed, and for whom. WIT-SVIDs are not offered, as by a SPIRE server without its flag. */
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { unaryService } from '../service.ts'
import type { ApiService } from '../service.ts'
import { invalid } from '../worded.ts'
import { newX509Svids } from './batch.ts'
import { mintJwtSvid, newJwtSvid } from './jwt.ts'
import type { SvidParts } from './parts.ts'

export function createSvidService(parts: SvidParts): ApiService {
  return unaryService(
    SVID,
    {
      async batchNewX509SVID({ params }, asked) {
        if (params.length === 0) throw invalid('missing parameters')
        return { results: [...(await newX509Svids(parts, params, asked))] }
      },
      newJWTSVID: (request, asked) => newJwtSvid(parts, request, asked),
      mintJWTSVID: (request, asked) => mintJwtSvid(parts, request, asked),
    },
    parts.faulted,
  )
}
