import type { Clock } from '../../../runtime/clock.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Store } from '../../../store/port.ts'
import type { Audit } from '../../audit/audit.ts'
import type { Registry } from '../../enroll/registry.ts'
import type { Faulted } from '../service.ts'

export interface BundleServiceParts {
  readonly clock: Clock
  readonly trustDomain: TrustDomain
  readonly store: Pick<Store, 'bundles' | 'entries'>
  readonly registry: Registry
  readonly audit: Audit
  readonly faulted: Faulted
}
