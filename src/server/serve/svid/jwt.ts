/** JWT-SVIDs, for the entry of an agent or for whom an operator says. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  MintJWTSVIDRequest,
  MintJWTSVIDResponseSchema,
  NewJWTSVIDRequest,
  NewJWTSVIDResponseSchema,
} from '#spire/api/server/svid/v1/svid_pb.js'
import type { JWTSVIDSchema } from '#spire/api/types/jwtsvid_pb.js'
import { codeOf } from '../../../runtime/errors.ts'
import { drawUuid } from '../../../runtime/random.ts'
import type { SpiffeId } from '../../../spiffe/spiffe-id.ts'
import type { Issuance } from '../../audit/audit.ts'
import { idMessage, readWorkloadId } from '../api/ids.ts'
import { reading } from '../api/status.ts'
import type { Asked } from '../service.ts'
import { asCall, failed, invalid } from '../worded.ts'
import { entryOfAgent, expectEntries, NOT_YOURS } from './entries.ts'
import type { SvidParts } from './parts.ts'

export async function newJwtSvid(
  parts: SvidParts,
  { entryId, audience }: NewJWTSVIDRequest,
  asked: Asked,
): Promise<MessageInitShape<typeof NewJWTSVIDResponseSchema>> {
  await expectEntries(parts, [entryId], asked)
  const entry = entryOfAgent(parts, entryId, asked)
  if (entry === undefined) throw asCall(NOT_YOURS)
  const { id, revision, jwtSvidTtlMs: ttlMs = parts.svid.jwtTtlMs, hint } = entry
  const spiffeId = workload(parts, idMessage(entry.spiffeId))
  const jti = entry.jwtSvidIncludeJti ? drawUuid(parts.random) : undefined
  const of = { entryId: id, entryRevision: revision }
  const svid = await sign(parts, { spiffeId, audience, ttlMs, jti, of }, asked)
  return { svid: { ...svid, hint } }
}

export async function mintJwtSvid(
  parts: SvidParts,
  { id, audience, ttl }: MintJWTSVIDRequest,
  asked: Asked,
): Promise<MessageInitShape<typeof MintJWTSVIDResponseSchema>> {
  const spiffeId = workload(parts, id)
  const ttlMs = ttl > 0 ? ttl * 1000 : parts.svid.jwtTtlMs
  return { svid: await sign(parts, { spiffeId, audience, ttlMs, of: {} }, asked) }
}

const workload = ({ trustDomain }: SvidParts, id: Parameters<typeof readWorkloadId>[0]): SpiffeId =>
  reading('invalid SPIFFE ID', () => readWorkloadId(id, trustDomain))

interface Wanted {
  readonly spiffeId: SpiffeId
  readonly audience: readonly string[]
  readonly ttlMs: number
  readonly jti?: string | undefined
  readonly of: Pick<Issuance, 'entryId' | 'entryRevision'>
}

async function sign(
  { issuing, audit, faulted }: SvidParts,
  { of, ...wanted }: Wanted,
  { caller, method }: Asked,
): Promise<MessageInitShape<typeof JWTSVIDSchema>> {
  const { spiffeId } = wanted
  // As SPIRE has it, one that says nothing is not there.
  const audience = wanted.audience.filter((each) => each !== '')
  if (audience.length === 0) throw invalid('at least one audience is required')
  const what = 'failed to sign JWT-SVID'
  const { token, issuedAt, expiresAt, authorityId } = await issuing.jwt
    .issue({ ...wanted, audience })
    .catch((thrown: unknown) => {
      // The audience is all that can be wrong in what was asked.
      if (codeOf(thrown) === 'request_invalid') throw invalid(what, thrown)
      throw asCall(failed(what, thrown, { faulted, method }))
    })
  const issued = 'jwt-svid'
  audit.write({ event: 'issued', caller, method, issued, spiffeId, authorityId, expiresAt, ...of })
  return {
    token,
    id: idMessage(spiffeId),
    issuedAt: BigInt(issuedAt / 1000),
    expiresAt: BigInt(expiresAt / 1000),
  }
}
