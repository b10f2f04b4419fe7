/** SPIRE's Bundle service: the own trust domain's bundle for everybody, those of federated trust domains for operators. */
import { Bundle as BundleService } from '../../../gen/spire/api/server/bundle/v1/bundle_pb.js'
import { status } from '../../../runtime/grpc-status.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Store } from '../../../store/port.ts'
import { wordedStatus } from '../../../wire/status.ts'
import type { Audit } from '../../audit/audit.ts'
import type { Registry } from '../../enroll/registry.ts'
import { applyMask } from '../api/mask.ts'
import { unaryService } from '../service.ts'
import type { Answers, ApiService, Faulted } from '../service.ts'
import { bundleMessage } from './message.ts'

export interface BundleServiceParts {
  readonly trustDomain: TrustDomain
  readonly store: Pick<Store, 'bundles' | 'entries'>
  readonly registry: Registry
  readonly audit: Audit
  readonly faulted: Faulted
}

export function createBundleService(parts: BundleServiceParts): ApiService {
  return unaryService(BundleService, bundleAnswers(parts), parts.faulted)
}

function bundleAnswers({
  trustDomain,
  registry,
}: BundleServiceParts): Answers<typeof BundleService> {
  return {
    getBundle({ outputMask }) {
      const bundle = registry.bundle(trustDomain)
      if (bundle === undefined) throw wordedStatus(status.NOT_FOUND, 'bundle not found')
      return applyMask(outputMask, bundleMessage(bundle), 'trustDomain')
    },
  }
}
