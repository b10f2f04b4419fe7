/** spire.api.server.localauthority.v1: this server's own authorities, taken through their lives by hand. */
import { LocalAuthority } from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { unaryService } from '../service.ts'
import type { ApiService, Faulted } from '../service.ts'
import { createSteps } from './steps.ts'
import type { LocalAuthorityParts } from './steps.ts'
import { createUpstreamSteps } from './upstream.ts'

export function createLocalAuthorityService(
  parts: LocalAuthorityParts & { readonly trustDomain: TrustDomain; readonly faulted: Faulted },
): ApiService {
  const x509 = createSteps('x509', parts)
  const jwt = createSteps('jwt', parts)
  const upstream = createUpstreamSteps(parts, parts.trustDomain)
  return unaryService(
    LocalAuthority,
    {
      getX509AuthorityState: () => x509.show(),
      getJWTAuthorityState: () => jwt.show(),
      prepareX509Authority: async (_, asked) => ({
        preparedAuthority: await x509.prepare(asked),
      }),
      prepareJWTAuthority: async (_, asked) => ({ preparedAuthority: await jwt.prepare(asked) }),
      activateX509Authority: async ({ authorityId }, asked) => ({
        activatedAuthority: await x509.activate(authorityId, asked),
      }),
      activateJWTAuthority: async ({ authorityId }, asked) => ({
        activatedAuthority: await jwt.activate(authorityId, asked),
      }),
      taintX509Authority: async ({ authorityId }, asked) => ({
        taintedAuthority: await x509.taint(authorityId, asked),
      }),
      taintJWTAuthority: async ({ authorityId }, asked) => ({
        taintedAuthority: await jwt.taint(authorityId, asked),
      }),
      revokeX509Authority: async ({ authorityId }, asked) => ({
        revokedAuthority: await x509.revoke(authorityId, asked),
      }),
      revokeJWTAuthority: async ({ authorityId }, asked) => ({
        revokedAuthority: await jwt.revoke(authorityId, asked),
      }),
      taintX509UpstreamAuthority: async ({ subjectKeyId }, asked) => ({
        upstreamAuthoritySubjectKeyId: await upstream.taint(subjectKeyId, asked),
      }),
      revokeX509UpstreamAuthority: async ({ subjectKeyId }, asked) => ({
        upstreamAuthoritySubjectKeyId: await upstream.revoke(subjectKeyId, asked),
      }),
    },
    parts.faulted,
  )
}
