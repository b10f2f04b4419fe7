/** JWT-SVIDs of entries, signed by the server; each looked at before it is used. */
import { SVID } from '../../../../gen/spire/api/server/svid/v1/svid_pb.js'
import type { JwtVerifier } from '../../../../jwt/verify.ts'
import type { EntryId } from '../../../../registration/server-entry.ts'
import { SpindleError } from '../../../../runtime/errors.ts'
import type { Bundle } from '../../../../spiffe/bundle.ts'
import { readJwtSvid } from '../../../../spiffe/jwt-svid.ts'
import type { SpiffeId } from '../../../../spiffe/spiffe-id.ts'
import { CallFault } from '../../../../wire/call-fault.ts'
import type { SecureClient } from '../../../../wire/secure-client.ts'
import { CALL_MS } from '../calls.ts'
import { denialOf } from '../denial.ts'
import type { SignedJwt } from '../link.ts'
import { refusalOf } from './refusal.ts'

export interface JwtAsked {
  readonly entryId: EntryId
  readonly audience: readonly string[]
}

/** @throws SpindleError `authority_unavailable`, `no_identity`, `request_invalid`; CallFault */
export async function askJwt(client: SecureClient, asked: JwtAsked): Promise<string> {
  const { entryId, audience } = asked
  const request = { entryId, audience: [...audience] }
  try {
    const answer = await client.call(SVID.method.newJWTSVID, request, { deadlineMs: CALL_MS })
    return answer.svid?.token ?? ''
  } catch (thrown) {
    // What it says of the agent is another thing than what it says of the entry.
    const isOfEntry = thrown instanceof CallFault && thrown.answered && OF_ENTRY(thrown)
    throw isOfEntry ? refusalOf(thrown.status, thrown.details, entryId) : thrown
  }
}

const OF_ENTRY = (thrown: CallFault): boolean => {
  const denial = denialOf(thrown)
  return denial !== 'banned' && denial !== 'attest'
}

/**
 * That `token` is what was asked for, and verifies by the bundle that goes out with it.
 * @throws SpindleError `authority_unavailable` where it does not: another attempt may bring better
 */
export async function checkJwt(
  token: string,
  wanted: {
    readonly audience: readonly string[]
    readonly spiffeId: SpiffeId
    readonly bundle: Bundle
    readonly verifier: JwtVerifier
    readonly now: number
  },
): Promise<SignedJwt> {
  const { audience, spiffeId, bundle, verifier, now } = wanted
  try {
    const bundles = new Map([[bundle.trustDomain, bundle]])
    const svid = readJwtSvid(token)
    if (svid.spiffeId !== spiffeId)
      throw new SpindleError('jwt_svid_invalid', `it is for ${svid.spiffeId}`)
    for (const each of audience) await verifier.verify(token, { audience: each, bundles, now })
    if (svid.expiresAt <= now) throw new SpindleError('jwt_svid_invalid', 'it has expired')
    const iat = svid.claims['iat']
    const issuedAt = typeof iat === 'number' ? Math.min(iat * 1_000, now) : now
    return { token, issuedAt, expiresAt: svid.expiresAt, authorityId: svid.keyId }
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    const why = `the JWT-SVID the server signed for ${spiffeId} is not used: ${thrown.message}`
    throw new SpindleError('authority_unavailable', why, { cause: thrown })
  }
}
