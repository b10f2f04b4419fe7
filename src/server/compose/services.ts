/** serve: the services of the API, as they are added to both doors. */
import { StoreBackup } from '#spindle/server/v1/backup_pb.js'
import { AuthorityRotation } from '#spindle/server/v1/rotation_pb.js'
import { SyncService } from '#spindle/sync/v1/sync_pb.js'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { Bundle } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { Debug } from '#spire/api/server/debug/v1/debug_pb.js'
import { Entry } from '#spire/api/server/entry/v1/entry_pb.js'
import { LocalAuthority } from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import { Logger } from '#spire/api/server/logger/v1/logger_pb.js'
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { TrustDomain } from '#spire/api/server/trustdomain/v1/trustdomain_pb.js'
import type { ServerConfig } from '../../config/server/server-config.ts'
import type { Clock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/random.ts'
import type { Store } from '../../store/port.ts'
import type { LeveledLog } from '../../telemetry/log.ts'
import type { Audit } from '../audit/audit.ts'
import type { NodeAttestors } from '../enroll/attest/node-attestors.ts'
import type { Registry } from '../enroll/registry.ts'
import type { Issuing } from '../issue/issuing.ts'
import type { FleetView } from '../publish/fleet-view.ts'
import { createAgentService } from '../serve/agent/service.ts'
import { createBackupService } from '../serve/backup.ts'
import { createBundleService } from '../serve/bundle/service.ts'
import { createDebugService } from '../serve/debug.ts'
import { createEntryService } from '../serve/entry/service.ts'
import { createLocalAuthorityService } from '../serve/localauthority/service.ts'
import { createLoggerService } from '../serve/logger.ts'
import { createRotationService } from '../serve/rotation/service.ts'
import { createUnseen } from '../serve/rotation/unseen.ts'
import type { ApiService, Faulted } from '../serve/service.ts'
import { createStandardServices } from '../serve/standard.ts'
import { createSvidService } from '../serve/svid/service.ts'
import { createTrustDomainService } from '../serve/trustdomain/service.ts'

export interface ServicesParts {
  readonly config: ServerConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: LeveledLog
  readonly store: Store
  readonly registry: Registry
  readonly issuing: Issuing
  readonly audit: Audit
  readonly attestors: NodeAttestors
  /** Who has what of the bundle and of the authorities. */
  readonly fleet: FleetView
}

/** What reflection tells of. */
const SERVICES = [
  Agent,
  AuthorityRotation,
  Bundle,
  Debug,
  Entry,
  LocalAuthority,
  Logger,
  SVID,
  StoreBackup,
  SyncService,
  TrustDomain,
]

export interface Services {
  readonly all: readonly ApiService[]
  close(): void
}

export function createServices(parts: ServicesParts): Services {
  const { config, log } = parts
  const { trustDomain, svid } = config
  const faulted: Faulted = (method, thrown) =>
    log.error({ method, error: messageOf(thrown) }, 'call failed by a fault in Spindle')
  const unseen = createUnseen({ clock: parts.clock, jwtTtlMs: svid.jwtTtlMs })
  const audit: Audit = {
    write(...events) {
      parts.audit.write(...events)
      for (const event of events) unseen.hear(event)
    },
  }
  const common = {
    ...parts,
    audit,
    trustDomain,
    svid,
    faulted,
    ...(!config.rateLimit.attestation && { attestationsPerSecond: false as const }),
    ...(!config.rateLimit.signing && { signingsPerSecond: false as const }),
  }
  const standard = createStandardServices({ ...parts, services: SERVICES })
  const all = [
    createAgentService({ ...common, attestors: parts.attestors.byType }),
    createEntryService(common),
    createBundleService(common),
    createSvidService(common),
    createTrustDomainService(common),
    createLocalAuthorityService(common),
    createRotationService({ ...common, unseen }),
    createBackupService(common),
    createLoggerService(common),
    createDebugService(common),
    standard,
  ]
  return { all, close: () => standard.close() }
}
