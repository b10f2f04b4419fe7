/** serve: the services of the API, as they are added to both doors. */
import type { ServerConfig } from '../../config/server/server-config.ts'
import type { Clock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/random.ts'
import type { Store } from '../../store/port.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Audit } from '../audit/audit.ts'
import type { NodeAttestors } from '../enroll/attest/node-attestors.ts'
import type { Registry } from '../enroll/registry.ts'
import type { Issuing } from '../issue/issuing.ts'
import { createAgentService } from '../serve/agent/service.ts'
import { createBundleService } from '../serve/bundle/service.ts'
import { createEntryService } from '../serve/entry/service.ts'
import { createLocalAuthorityService } from '../serve/localauthority/service.ts'
import type { ApiService, Faulted } from '../serve/service.ts'
import { createSvidService } from '../serve/svid/service.ts'
import { createTrustDomainService } from '../serve/trustdomain/service.ts'

export interface ServicesParts {
  readonly config: ServerConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly store: Store
  readonly registry: Registry
  readonly issuing: Issuing
  readonly audit: Audit
  readonly attestors: NodeAttestors
}

export function createServices(parts: ServicesParts): readonly ApiService[] {
  const { config, log } = parts
  const { trustDomain, svid } = config
  const faulted: Faulted = (method, thrown) =>
    log.error({ method, error: messageOf(thrown) }, 'call failed by a fault in Spindle')
  const common = {
    ...parts,
    trustDomain,
    svid,
    faulted,
    ...(!config.rateLimit.attestation && { attestationsPerSecond: false as const }),
    ...(!config.rateLimit.signing && { signingsPerSecond: false as const }),
  }
  return [
    createAgentService({ ...common, attestors: parts.attestors.byType }),
    createEntryService(common),
    createBundleService(common),
    createSvidService(common),
    createTrustDomainService(common),
    createLocalAuthorityService(common),
  ]
}
