/** One agent, composed in the order its data flows: accept → attest → match → obtain → serve. */
import { Registry as MetricRegistry } from 'prom-client'
import type { AgentConfig } from '../config/agent-config.ts'
import { startHttp } from '../http/server.ts'
import type { HttpServer } from '../http/server.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { Health } from '../telemetry/health.ts'
import { createHealth } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import { createMetrics, nacksByClass } from '../telemetry/metrics.ts'
import { createSeldom } from '../telemetry/seldom.ts'
import { createTimeline } from '../telemetry/timeline.ts'
import type { Kernel } from './accept/kernel.ts'
import { openKernel } from './accept/kernel.ts'
import { openSocket } from './accept/socket.ts'
import { createUnixAttestor } from './attest/unix.ts'
import type { Origin } from './compose/origin.ts'
import { openOrigin } from './compose/origin.ts'
import { openServing } from './compose/serving.ts'
import { openAdmin } from './admin-socket.ts'
import { healthChecks } from './health.ts'
import { recordReports, recordStreams, recordWorkload } from './history.ts'
import { connectionLimits } from './connection-limits.ts'
import type { Caller } from './match/caller.ts'
import { createCallers } from './match/callers.ts'
import { pageFiles } from './page-files.ts'
import { describePage } from './page-state.ts'
import { createReporter } from './reporter.ts'
import { createExecutableLook } from '../os/process/executable-look.ts'
import { openStateFolder } from '../os/state-folder.ts'
import { createStreamObserver } from './serve/observer.ts'
import { createWorkloadObserver } from './serve/workload/observer.ts'
import { securityHeaderGate } from './serve/workload/security-header.ts'
import type { Sources } from './sources.ts'

export interface AgentEnvironment {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly version: string
}

export interface Agent {
  readonly addresses: {
    readonly socket: string
    readonly adminSocket: string
    readonly http: string
  }
  /** Reads every file again, as SIGHUP does. A file that cannot be used leaves the last good one in force. */
  reload(): Promise<void>
  /** Ends the streams, then the sockets, whose paths stay for the next agent. */
  stop(): Promise<void>
}

const HEALTH_DEADLINE_MS = 2_000

/** @throws SpindleError when it cannot start; nothing is left open then but what ends with the process. */
export async function startAgent(
  config: AgentConfig,
  environment: AgentEnvironment,
): Promise<Agent> {
  const setting = { config, environment, reports: openReports(config, environment) }
  const { clock, log } = environment
  const startedAt = clock.now()
  const { report, timeline } = setting.reports
  const kernel = await openKernel(config.attestation.pidfd)
  report.peerHandle(kernel.handle)
  const uid = process.geteuid?.() ?? 0
  const { libc } = kernel
  const origin = openOrigin(config, { ...environment, report, uid, libc })
  const { sources } = origin
  const accepting = await openAccepting(setting, kernel, sources)
  // Whoever runs on this socket or this folder already must not have its CA touched.
  const stateFolder = openStateFolder(libc, config.stateDir, uid)
  const supply = await origin.open()
  const { observer, workload } = setting.reports
  const observers = { sds: observer, workload }
  const serving = openServing({ ...environment, config, observers }, accepting.socket, supply)
  const parts = {
    ...accepting,
    ...supply,
    ...serving,
    kernel,
    sources,
    uid,
    startedAt,
  }
  const { admin, http, reload } = await openOutside(setting, parts)
  accepting.socket.start()
  admin.start()
  const addresses = {
    socket: config.socket,
    adminSocket: config.admin.socket,
    http: http?.address ?? '',
  }
  const { trustDomain } = config
  log.info({ ...addresses, trustDomain, version: environment.version }, 'agent ready')

  const { grants, callers, socket } = parts
  return {
    addresses,
    reload,
    async stop() {
      serving.endStreams('the agent is shutting down')
      await Promise.all([socket.stop(), admin.stop(), http?.close()])
      for (const part of [grants, callers, sources, timeline]) part?.close()
      await supply.close()
      stateFolder.close()
    },
  }
}

/** What every part of one agent is made with. */
interface Setting {
  readonly config: AgentConfig
  readonly environment: AgentEnvironment
  readonly reports: ReturnType<typeof openReports>
}

function openReports(config: AgentConfig, { clock, log, version }: AgentEnvironment) {
  const registry = new MetricRegistry()
  const metrics = createMetrics({ registry, clock, version })
  const seldom = createSeldom(log, clock)
  const report = createReporter({ metrics, log, seldom, own: config.trustDomain })
  const observer = createStreamObserver(metrics, log, { ownPid: process.pid, seldom })
  const workload = createWorkloadObserver(metrics, log, seldom)
  if (config.http?.page !== true)
    return { registry, report, observer, workload, timeline: undefined }
  const timeline = createTimeline(clock)
  return {
    registry,
    report: recordReports(report, timeline),
    observer: recordStreams(observer, timeline),
    workload: recordWorkload(workload, timeline),
    timeline,
  }
}

/** accept → attest → match: the socket, closed yet, and who calls on it. */
async function openAccepting(
  { config, environment, reports: { report, workload } }: Setting,
  kernel: Kernel,
  sources: Sources,
) {
  const { clock, random } = environment
  const registry = sources.entries
  report.registry(registry.current)
  registry.subscribe(report.registry)
  const attestor = createUnixAttestor({
    clock,
    config: config.attestors.unix,
    effectiveIds: kernel.peers.effectiveIds,
    executableOf: createExecutableLook(kernel.libc),
  })
  const callers = createCallers({
    attestor,
    registry,
    clock,
    random,
    periodMs: config.attestation.periodMs,
    onAttested: report.attested,
    onRefused: report.attestationRefused,
  })
  const socket = await openSocket<Caller>({
    ...kernel,
    clock,
    limits: {
      ...connectionLimits(config.limits, kernel.descriptors),
      streamsPerConnection: config.limits.streamsPerConnection,
    },
    path: config.socket,
    // Anyone may connect: who it is, the kernel says.
    mode: 0o777,
    folderMode: 0o755,
    welcome: (connection) => callers.admit(connection),
    gate: securityHeaderGate({
      forSds: config.sds.requireSecurityHeader,
      unheard: workload.unheard,
    }),
    report: report.connections,
  })
  return { attestor, callers, socket }
}

type Parts = Awaited<ReturnType<typeof openAccepting>> &
  Awaited<ReturnType<Origin['open']>> &
  ReturnType<typeof openServing> & {
    readonly kernel: Kernel
    readonly sources: Sources
    readonly uid: number
    readonly startedAt: number
  }

/** What people and probes look at it through: health, the admin socket and HTTP. */
async function openOutside(setting: Setting, parts: Parts) {
  const { config, environment, reports } = setting
  const { clock, log, version } = environment
  const { authority, sources, socket } = parts
  const health = createHealth({
    clock,
    deadlineMs: HEALTH_DEADLINE_MS,
    checks: healthChecks({ ...parts, socket: config.socket, clock }),
  })
  const reload = async (): Promise<void> => {
    sources.check()
    try {
      await authority.reload()
    } catch (thrown) {
      // Its state tells, as that of every file does; the last good reading is in force.
      log.error({ error: thrown }, 'authority not read again')
    }
  }
  let http: HttpServer | undefined
  const admin = await openAdmin({
    ...parts,
    config,
    version,
    clock,
    socket,
    health,
    httpAddress: () => http?.address ?? '',
    reload,
    report: reports.report.adminConnections,
    log,
  })
  if (config.http !== undefined) http = await openHttp(config.http, setting, { ...parts, health })
  return { admin, http, reload }
}

function openHttp(
  { host, port }: NonNullable<AgentConfig['http']>,
  { config, environment: { clock, version }, reports }: Setting,
  parts: Parts & { readonly health: Health },
): Promise<HttpServer> {
  const { registry, report, timeline } = reports
  const { health, identities, kernel, sds, socket } = parts
  const page = timeline && {
    files: pageFiles(),
    timeline,
    state: () =>
      describePage({
        ...parts,
        config,
        version,
        clock,
        handle: kernel.handle,
        connections: () => socket.connections.size,
        nacks: () => nacksByClass(registry),
      }),
  }
  return startHttp({
    host,
    port,
    descriptors: kernel.descriptors,
    page,
    metrics: {
      contentType: registry.contentType,
      async metrics() {
        const { ok } = await health.ready()
        report.moment({
          now: clock.now(),
          ready: ok,
          identities: identities.current(),
          holding: sds.holding(),
          missing: identities.missing(),
          bundles: config.bundles,
          server: parts.server,
        })
        return registry.metrics()
      },
    },
    health,
    clock,
  })
}
