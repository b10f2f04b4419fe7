/** JWT answers of a Workload API, checked (Workload API 6). Signatures are the agent's to check: `ValidateJWTSVID` (6.3). */
import type {
  JWTBundlesResponse,
  JWTSVIDResponse,
  ValidateJWTSVIDResponse,
} from '#spiffe/workload/workload_pb.js'
import { checkJwtSvid, readJwtSvid } from '../spiffe/jwt-svid.ts'
import type { JwtSvid } from '../spiffe/jwt-svid.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { isWorkloadId, parseSpiffeId } from '../spiffe/spiffe-id.ts'
import type { JwtBundles } from './bundles.ts'
import { readBundleMap, readJwtBundle } from './bundles.ts'
import { firstOfEachHint, reading } from './reading.ts'

export interface FetchedJwt extends JwtSvid {
  /** JWS compact serialisation. Secret: whoever has it is taken for the workload by its audience. */
  readonly token: string
  readonly hint: string
}

export interface FetchedJwts {
  /** The first is the default one. */
  readonly svids: readonly [FetchedJwt, ...FetchedJwt[]]
  readonly notes: readonly string[]
}

export interface JwtBundlesUpdate {
  /** At least one; a bundle may have no key. */
  readonly bundles: JwtBundles
  readonly notes: readonly string[]
}

export interface ValidatedJwt {
  readonly spiffeId: SpiffeId
  readonly claims: Readonly<Record<string, unknown>>
}

/** @throws SpindleError `agent_failed`: what came is to be discarded (4.5) */
export function readJwts(
  response: JWTSVIDResponse,
  asked: { readonly audience: readonly string[]; readonly now: number },
): FetchedJwts {
  return reading('the response with JWT-SVIDs', (notes) => {
    const read = response.svids.map((svid, index) => {
      const content = readJwtSvid(svid.svid)
      if (content.spiffeId !== svid.spiffeId)
        throw new Error(`SVID ${index + 1} is not of the SPIFFE ID it is given as`)
      for (const audience of asked.audience) checkJwtSvid(content, { audience, now: asked.now })
      return { ...content, token: svid.svid, hint: svid.hint }
    })
    const [first, ...others] = firstOfEachHint(read, notes)
    if (first === undefined) throw new Error('it has no SVID')
    return { svids: [first, ...others], notes: notes.lines }
  })
}

/** @throws SpindleError `agent_failed`: the response is to be discarded (4.5) */
export function readJwtBundles(response: JWTBundlesResponse): JwtBundlesUpdate {
  return reading('the response with JWT bundles', (notes) => {
    const bundles = readBundleMap(response.bundles, (trustDomain, bytes) =>
      readJwtBundle(trustDomain, bytes, notes),
    )
    if (bundles.size === 0) throw new Error('it has no bundle')
    return { bundles, notes: notes.lines }
  })
}

/** @throws SpindleError `agent_failed`: what came is to be discarded (4.5) */
export function readValidated(response: ValidateJWTSVIDResponse): ValidatedJwt {
  return reading('the response about a JWT-SVID', () => {
    const spiffeId = parseSpiffeId(response.spiffeId)
    if (!isWorkloadId(spiffeId)) throw new Error(`${spiffeId} is no workload`)
    if (response.claims === undefined) throw new Error('it has no claims')
    return { spiffeId, claims: response.claims }
  })
}
