import type { Clock } from '../../../runtime/clock.ts'
import type { Random } from '../../../runtime/random.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Audit } from '../../audit/audit.ts'
import type { Registry } from '../../enroll/registry.ts'
import type { Issuing } from '../../issue/issuing.ts'
import type { Faulted } from '../service.ts'

/** What the svid service is made of. */
export interface SvidParts {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly registry: Pick<Registry, 'entry' | 'entriesNamed' | 'mayServe' | 'bundle' | 'refreshed'>
  readonly issuing: Pick<Issuing, 'x509' | 'jwt'>
  readonly audit: Audit
  readonly faulted: Faulted
  /** Lives where neither the entry nor who asks says otherwise. */
  readonly svid: { readonly ttlMs: number; readonly jwtTtlMs: number }
  /** Signatures a second for one address; false: as many as can be made. Unset: SPIRE's 500. */
  readonly signingsPerSecond?: number | false
}
