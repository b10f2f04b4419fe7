/** ValidateJWTSVID (SPIFFE_Workload_API 6.2.3): a JWT-SVID of somebody else, checked for a caller with the bundles it may have. */
import type { JsonObject } from '@bufbuild/protobuf'
import type { ValidateJWTSVIDRequest } from '#spiffe/workload/workload_pb.js'
import { ValidateJWTSVIDResponseSchema } from '#spiffe/workload/workload_pb.js'
import { createJwtVerifier } from '../../../jwt/verify.ts'
import type { VerifiedJwtSvid } from '../../../jwt/verify.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Bundle } from '../../../spiffe/bundle.ts'
import { readJwtSvid } from '../../../spiffe/jwt-svid.ts'
import { trustDomainOf } from '../../../spiffe/spiffe-id.ts'
import type { Encoded } from '../../../wire/service.ts'
import type { Grant } from '../grant/grant.ts'
import type { Answer } from './answer.ts'
import type { Question } from './ask.ts'
import { answered, patienceFor } from './ask.ts'
import { jwtBundlesOf } from './jwt.ts'
import { encode } from './message.ts'
import type { ProfileParts } from './x509.ts'

export interface ValidateParts extends ProfileParts {
  /** What is told of a token of another trust domain beside `sub`, `aud` and `exp`. */
  readonly foreignJwtClaims: readonly string[]
}

const ALWAYS = ['sub', 'aud', 'exp']

/** @throws SpindleError `request_invalid`, `jwt_svid_invalid` where it does not hold, `no_identity`, `not_ready` */
export function createValidation(
  parts: ValidateParts,
): (request: ValidateJWTSVIDRequest, question: Question) => Promise<Encoded> {
  const verifier = createJwtVerifier()
  const foreign = new Set([...ALWAYS, ...parts.foreignJwtClaims])
  return async ({ audience, svid }, question) => {
    if (audience === '') throw new SpindleError('request_invalid', 'audience must be given')
    if (svid === '') throw new SpindleError('request_invalid', 'svid must be given')
    const { grant, clock } = question
    const patience = patienceFor(question)
    const verify = (bundles: readonly Bundle[]): Promise<VerifiedJwtSvid> =>
      verifier.verify(svid, {
        audience,
        bundles: new Map(bundles.map((bundle) => [bundle.trustDomain, bundle])),
        now: clock.now(),
      })
    const bundles = await answered(question, patience, () => {
      const answer = jwtBundlesOf(grant, parts)
      return answer.kind === 'there' ? { ...answer, awaiting: undefined } : answer
    })
    const { spiffeId, claims } = await verify(bundles).catch(async (thrown: unknown) => {
      // An entry that is not decided yet may bring the bundle that is missing: until then nothing is said of the token.
      const name = trustDomainOf(readJwtSvid(svid).spiffeId)
      const known = bundles.some(({ trustDomain }) => trustDomain === name)
      if (known || grant.undecided === undefined) throw thrown
      return verify(await answered(question, patience, () => onceDecided(grant, parts)))
    })
    const own = trustDomainOf(spiffeId) === parts.trustDomain
    const told = Object.entries(claims).filter(([name]) => own || foreign.has(name))
    return encode(ValidateJWTSVIDResponseSchema, {
      spiffeId,
      claims: Object.fromEntries(told) as JsonObject,
    })
  }
}

function onceDecided(grant: Grant, parts: ProfileParts): Answer<readonly Bundle[]> {
  const { undecided } = grant
  return undecided === undefined ? jwtBundlesOf(grant, parts) : { kind: 'pending', why: undecided }
}
