/** What the server signs for the entries that the agent has of it. */
import { createJwtVerifier } from '../../../../jwt/verify.ts'
import type { ServerEntry } from '../../../../registration/server-entry.ts'
import type { Clock } from '../../../../runtime/clock.ts'
import { SpindleError } from '../../../../runtime/errors.ts'
import type { TrustDomain } from '../../../../spiffe/spiffe-id.ts'
import type { SecureClient } from '../../../../wire/secure-client.ts'
import type { Served, ServedBundle, SignedJwt, SignedX509 } from '../link.ts'
import type { JwtAsked } from './jwt.ts'
import { askJwt, checkJwt } from './jwt.ts'
import type { X509Asked } from './x509.ts'
import { checkX509, createAnchorsOf, createX509Batches } from './x509.ts'

export interface Signing {
  /** @throws SpindleError `no_identity` where the agent has no such entry; what the server answered */
  x509(asked: X509Asked): Promise<SignedX509>
  /** @throws SpindleError as `x509` */
  jwt(asked: JwtAsked): Promise<SignedJwt>
  close(why: SpindleError): void
}

export function createSigning(options: {
  readonly client: () => SecureClient
  readonly served: () => Served | undefined
  readonly trustDomain: TrustDomain
  readonly clock: Clock
}): Signing {
  const { client, served, trustDomain, clock } = options
  const verifier = createJwtVerifier()
  const anchorsOf = createAnchorsOf()
  const entryOf = ({ entryId }: Pick<X509Asked, 'entryId'>): ServerEntry => {
    const entry = served()?.entries.find(({ id }) => id === entryId)
    if (entry !== undefined) return entry
    throw new SpindleError('no_identity', `entry ${entryId}: the server has none for this agent`)
  }
  // As of when the answer is there: what signed it may be new.
  const bundle = (): ServedBundle['bundle'] => ownBundle(served(), trustDomain).bundle
  const batches = createX509Batches({
    client,
    check: (asked, chain) =>
      checkX509(chain, {
        csr: asked.csr,
        spiffeId: entryOf(asked).spiffeId,
        trustDomain,
        authorities: bundle().x509Authorities,
        anchorsOf,
        now: clock.now(),
      }),
  })
  return {
    async x509(asked) {
      entryOf(asked)
      return batches.add(asked)
    },
    async jwt(asked) {
      const { spiffeId } = entryOf(asked)
      const token = await askJwt(client(), asked)
      const { audience } = asked
      return checkJwt(token, { audience, spiffeId, bundle: bundle(), verifier, now: clock.now() })
    },
    close: (why) => batches.close(why),
  }
}

/** @throws SpindleError `authority_unavailable` where the server has not said it yet */
export function ownBundle(served: Served | undefined, trustDomain: TrustDomain): ServedBundle {
  const bundle = served?.bundles.get(trustDomain)
  if (bundle !== undefined) return bundle
  throw new SpindleError('authority_unavailable', 'the server has not said its bundle yet')
}
