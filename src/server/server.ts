/** One server, composed in the order its data flows: admit → enroll → issue → publish → serve. */
import { openKernel } from '../agent/accept/kernel.ts'
import type { ServerConfig } from '../config/server/server-config.ts'
import { openStateFolder } from '../os/state-folder.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { LeveledLog } from '../telemetry/log.ts'
import { createSeldom } from '../telemetry/seldom.ts'
import { createAudit } from './audit/lines.ts'
import { createObservation } from './compose/observation.ts'
import { openDoors } from './compose/doors.ts'
import { createServices } from './compose/services.ts'
import { openNodeAttestors } from './enroll/attest/node-attestors.ts'
import { openRegistry } from './enroll/open-registry.ts'
import { createPruning } from './enroll/pruning.ts'
import { openIssuing } from './issue/open-issuing.ts'
import { openConfiguredStore } from './open-store.ts'
import { createSyncService } from './publish/sync.ts'

export interface ServerEnvironment {
  readonly clock: Clock
  readonly random: Random
  readonly log: LeveledLog
  /** Where the lines of the audit go. */
  readonly auditStream: { write(line: string): unknown }
  /** How many times a line of the log or the audit could not be written. */
  readonly logFailures?: () => number
  readonly version: string
}

export interface Server {
  readonly addresses: {
    readonly listen: string
    readonly adminSocket: string
    readonly http: string
  }
  /** Reads every file again, as SIGHUP does. A file that cannot be used leaves the last good one in force. */
  reload(): Promise<void>
  /** Ends the streams, then the doors; the admin socket's path stays. */
  stop(): Promise<void>
}

/** @throws SpindleError when it cannot start; nothing is left open then but what ends with the process. */
export async function startServer(
  config: ServerConfig,
  environment: ServerEnvironment,
): Promise<Server> {
  const { clock, log, version } = environment
  const { trustDomain } = config
  const kernel = await openKernel('preferred')
  const uid = process.geteuid?.() ?? 0
  // Whoever runs on this folder already must not have its CA touched.
  const stateFolder = openStateFolder(kernel.libc, config.stateDir, uid)
  const observation = createObservation(environment)
  const { libc } = kernel
  const { stateDir } = config
  const store = observation.store(
    await openConfiguredStore(config.store, { ...environment, uid, libc, stateDir }),
  )
  const registry = await openRegistry({ ...environment, store, trustDomain })
  const issuing = observation.issuing(
    await openIssuing({ ...environment, config, store, registry, onEvent: observation.told }),
  )
  const { format } = config.log
  const written = createAudit({ format, stream: environment.auditStream, clock })
  const audit = observation.audit(written)
  const seldom = createSeldom(log, clock)
  const attestors = openNodeAttestors({
    ...environment,
    config: config.nodeAttestors,
    trustDomain,
    joinTokens: store.joinTokens,
    registry,
  })
  const parts = {
    ...environment,
    config,
    trustDomain,
    kernel,
    uid,
    store,
    registry,
    issuing,
    audit,
    attestors,
  }
  const { ended, refused } = observation
  const doors = await openDoors({ ...parts, ended, refused, seldom })
  const { random } = environment
  const sync = createSyncService({
    ...parts,
    verifier: doors.verifier,
    // A SQLite database has no other server.
    ...(config.store.kind === 'postgres' && {
      sharing: { serverId: issuing.serverId, store, random },
    }),
  })
  const { all, close } = createServices({ ...parts, fleet: sync })
  const services = [sync, ...all]
  const { pruneAgents } = config
  const pruning = createPruning({
    ...parts,
    ...(pruneAgents !== undefined && { agents: pruneAgents }),
  })
  for (const way of doors.ways) for (const service of services) service.addTo(way)
  const listen = await doors.start()
  const { descriptors } = kernel
  const http = await observation.serve({ ...parts, fleet: sync, descriptors })
  const addresses = { listen, adminSocket: config.admin.socket, http: http?.address ?? '' }
  log.info({ ...addresses, trustDomain, version }, 'server ready')
  return {
    addresses,
    async reload() {
      attestors.reload()
      await issuing.x509.reload()
    },
    async stop() {
      await http?.close()
      for (const service of services) service.endStreams('the server is shutting down')
      close()
      await doors.stop()
      attestors.close()
      await pruning.close()
      await sync.close()
      // Before what may fail: nobody denies anything any more.
      written.close()
      await issuing.close()
      await registry.close()
      await store.close()
      stateFolder.close()
    },
  }
}
