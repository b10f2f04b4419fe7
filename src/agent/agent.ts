/** One standalone agent, composed in the order its data flows: accept → attest → match → obtain → serve. */
import { Registry as MetricRegistry } from 'prom-client'
import type { AgentConfig } from '../config/agent-config.ts'
import { startHttp } from '../http/server.ts'
import type { HttpServer } from '../http/server.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { createHealth } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import { createMetrics, nacksByClass } from '../telemetry/metrics.ts'
import { createSeldom } from '../telemetry/seldom.ts'
import { createTimeline } from '../telemetry/timeline.ts'
import { defaultConnectionsPerUid, mostConnections } from './accept/acceptor.ts'
import { createUnixAttestor } from './attest/unix.ts'
import { openAdmin } from './admin-socket.ts'
import { healthChecks } from './health.ts'
import { recordReports, recordStreams } from './history.ts'
import { openKernel } from './kernel.ts'
import type { Caller } from './match/caller.ts'
import { createCallers } from './match/callers.ts'
import { createBundles } from './obtain/bundles.ts'
import { createIdentities } from './obtain/identities.ts'
import { openAuthority } from './obtain/open-authority.ts'
import { pageFiles } from './page-files.ts'
import { describePage } from './page-state.ts'
import { createReporter } from './reporter.ts'
import { openStateFolder } from '../os/state-folder.ts'
import { createStreamObserver } from './serve/observer.ts'
import { createQuarantine } from './serve/quarantine.ts'
import { createResponseEncoder } from './serve/responses.ts'
import { createSds } from './serve/sds.ts'
import { createSecrets } from './serve/secrets.ts'
import { openSocket } from './socket.ts'
import { openSources } from './sources.ts'

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
  const { clock, random, log, version } = environment
  const startedAt = clock.now()
  const metricRegistry = new MetricRegistry()
  const metrics = createMetrics({ registry: metricRegistry, clock, version })
  const seldom = createSeldom(log, clock)
  const timeline = config.http?.page === true ? createTimeline(clock) : undefined
  const plainly = createReporter({ metrics, log, seldom, own: config.trustDomain })
  const report = timeline === undefined ? plainly : recordReports(plainly, timeline)

  const kernel = await openKernel(config.attestation.pidfd)
  report.peerHandle(kernel.handle)
  const sources = openSources(config, {
    clock,
    onReload: report.reloaded,
    onWarnings: report.warnings,
  })
  const registry = sources.entries.content
  report.registry(registry.current)
  registry.subscribe(report.registry)

  const attestor = createUnixAttestor({ clock, config: config.attestors.unix })
  const callers = createCallers({
    attestor,
    registry,
    clock,
    random,
    periodMs: config.attestation.periodMs,
    onAttested: report.attested,
    onRefused: report.attestationRefused,
  })

  const { limits } = config
  const socket = await openSocket<Caller>({
    ...kernel,
    clock,
    limits: {
      connectionsPerUid: limits.connectionsPerUid ?? defaultConnectionsPerUid(kernel.descriptors),
      connections: mostConnections(kernel.descriptors),
      streamsPerConnection: limits.streamsPerConnection,
    },
    path: config.socket,
    // Anyone may connect: who it is, the kernel says.
    mode: 0o777,
    folderMode: 0o755,
    welcome: (connection) => callers.admit(connection),
    report: report.connections,
  })
  // Whoever runs on this socket or this folder already must not have its CA touched.
  const uid = process.geteuid?.() ?? 0
  const stateFolder = openStateFolder(kernel.libc, config.stateDir, uid)
  const authority = await openAuthority(config, { clock, random, onEvent: report.authorityEvent })
  report.authority(authority.state.current)
  authority.state.subscribe(report.authority)
  const identities = createIdentities({
    ...config.svid,
    authority,
    clock,
    random,
    onEvent: report.identityEvent,
  })
  const bundles = createBundles(config.trustDomain, authority.state)
  for (const [trustDomain, source] of sources.bundles) {
    bundles.setFederated(trustDomain, source.content.current)
    source.content.subscribe((bundle) => bundles.setFederated(trustDomain, bundle))
  }
  report.bundles(bundles.feed.current)
  bundles.feed.subscribe(report.bundles)

  const policy = {
    reserved: config.sds.names,
    aliases: new Map<string, SpiffeId>(Object.entries(config.sds.aliases)),
    trustDomain: config.trustDomain,
  }
  const secrets = createSecrets()
  const observer = createStreamObserver(metrics, log, { ownPid: process.pid, seldom })
  const sds = createSds({
    ...config.sds,
    callerOf: socket.peerOf,
    identities,
    bundles: bundles.feed,
    secrets,
    quarantine: createQuarantine(),
    policy,
    clock,
    nonce: createNonces(random),
    encoder: createResponseEncoder(`spindle ${version}`),
    observer: timeline === undefined ? observer : recordStreams(observer, timeline),
    namesPerStream: limits.namesPerStream,
  })
  sds.addTo(socket.server)

  const health = createHealth({
    clock,
    deadlineMs: HEALTH_DEADLINE_MS,
    checks: healthChecks({ socket: config.socket, authority, sources, clock }),
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
  const httpAddress = (): string => http?.address ?? ''
  const admin = await openAdmin({
    kernel,
    config,
    version,
    startedAt,
    clock,
    uid,
    socket,
    sds,
    identities,
    authority,
    bundles,
    secrets,
    sources,
    attestor,
    policy,
    health,
    httpAddress,
    reload,
    report: report.adminConnections,
  })
  const page = timeline && {
    files: pageFiles(),
    timeline,
    state: () =>
      describePage({
        config,
        version,
        startedAt,
        clock,
        handle: kernel.handle,
        connections: () => socket.connections.size,
        sds,
        identities,
        authority,
        bundles,
        sources,
        nacks: () => nacksByClass(metricRegistry),
      }),
  }
  if (config.http !== undefined)
    http = await startHttp({
      host: config.http.host,
      port: config.http.port,
      descriptors: kernel.descriptors,
      page,
      metrics: {
        contentType: metricRegistry.contentType,
        async metrics() {
          const { ok } = await health.ready()
          report.moment({
            now: clock.now(),
            ready: ok,
            identities: identities.current(),
            missing: identities.missing(),
            bundles: config.bundles,
          })
          return metricRegistry.metrics()
        },
      },
      health,
      clock,
    })
  socket.start()
  admin.start()
  const addresses = { socket: config.socket, adminSocket: config.admin.socket, http: httpAddress() }
  log.info({ ...addresses, trustDomain: config.trustDomain, version }, 'agent ready')

  return {
    addresses,
    reload,
    async stop() {
      sds.endStreams('the agent is shutting down')
      await Promise.all([socket.stop(), admin.stop(), http?.close()])
      for (const part of [sds, callers, identities, bundles, sources, timeline]) part?.close()
      await authority.close()
      stateFolder.close()
    },
  }
}

/** Unlike any other of this agent and of the one before it; nobody needs to be unable to guess the next. */
function createNonces(random: Random): () => string {
  const life = random.bytes(6).toString('hex')
  let count = 0
  return () => `${life}-${(++count).toString(36)}`
}
