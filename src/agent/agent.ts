/** One standalone agent, composed in the order its data flows: accept → attest → match → obtain → serve. */
import { create } from '@bufbuild/protobuf'
import { Registry as MetricRegistry } from 'prom-client'
import { GetStatusResponseSchema } from '#spindle/admin/v1/admin_pb.js'
import type { AgentConfig } from '../config/agent-config.ts'
import type { HttpServer } from '../http/server.ts'
import { startHttp } from '../http/server.ts'
import { openLibc } from '../os/libc.ts'
import { createPeerReader } from '../os/peer-credentials.ts'
import { selfTest } from '../os/peer-self-test.ts'
import { forbidInspection, raiseOpenFiles } from '../os/process-hardening.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { createHealth } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { defaultConnectionsPerUid } from './accept/acceptor.ts'
import { createUnixAttestor } from './attest/unix.ts'
import { healthChecks } from './health.ts'
import { createCallers } from './match/callers.ts'
import type { Caller } from './match/caller.ts'
import { createBundles } from './obtain/bundles.ts'
import { createIdentities } from './obtain/identities.ts'
import { openAuthority } from './obtain/open-authority.ts'
import { createReporter } from './reporter.ts'
import { addAdminService } from './serve/admin.ts'
import { describeSource, timestamp } from './serve/describe.ts'
import type { ExplainParts } from './serve/explain.ts'
import { createStreamObserver } from './serve/observer.ts'
import { createQuarantine } from './serve/quarantine.ts'
import { createResponseEncoder } from './serve/responses.ts'
import { createSds } from './serve/sds.ts'
import { createSecrets } from './serve/secrets.ts'
import { openProcess } from '../os/open-process.ts'
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
  /** Reads every file again, as SIGHUP does. */
  reload(): Promise<void>
  /** Ends the streams, then the sockets, whose paths stay for the next agent. */
  stop(): Promise<void>
}

const HEALTH_DEADLINE_MS = 2_000
/** How long a rotation that is asked for waits for sidecars to take the new bundle. */
const PUBLISH_MS = 30_000

/** @throws SpindleError when it cannot start; nothing is left open then but what ends with the process. */
export async function startAgent(
  config: AgentConfig,
  environment: AgentEnvironment,
): Promise<Agent> {
  const { clock, random, log, version } = environment
  const startedAt = clock.now()
  const metricRegistry = new MetricRegistry()
  const metrics = createMetrics({ registry: metricRegistry, clock, version })
  const report = createReporter(metrics, log, config.trustDomain)

  const libc = openLibc()
  forbidInspection(libc)
  const descriptors = raiseOpenFiles(libc)
  const peers = createPeerReader({ libc, pidfd: config.attestation.pidfd })
  const peerHandle = await selfTest(peers)
  report.peerHandle(peerHandle)

  const sources = openSources(config, {
    clock,
    onReload: report.reloaded,
    onWarnings: report.warnings,
  })
  const registry = sources.entries.content
  report.registry(registry.current)
  registry.subscribe(report.registry)
  const uid = process.geteuid?.() ?? 0
  const authority = await openAuthority(config, {
    clock,
    random,
    uid,
    onEvent: report.authorityEvent,
  })
  report.authority(authority.state.current)
  authority.state.subscribe(report.authority)

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

  const { keyType, ttlMs } = config.svid
  const identities = createIdentities({
    authority,
    clock,
    random,
    keyType,
    ttlMs,
    onEvent: (event) => report.identityEvent(event, identities.current().length),
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
  const limits = {
    connectionsPerUid: config.limits.connectionsPerUid ?? defaultConnectionsPerUid(descriptors),
    streamsPerConnection: config.limits.streamsPerConnection,
  }
  const agentSocket = await openSocket<Caller>({
    libc,
    peers,
    clock,
    limits,
    path: config.socket,
    // Anyone may connect: who it is, the kernel says.
    mode: 0o777,
    folderMode: 0o755,
    welcome: (connection) => callers.admit(connection),
    report: report.connections,
  })
  const sds = createSds({
    callerOf: agentSocket.peerOf,
    identities,
    bundles: bundles.feed,
    secrets: createSecrets(),
    quarantine: createQuarantine(),
    policy,
    clock,
    nonce: () => random.bytes(8).toString('hex'),
    encoder: createResponseEncoder(`spindle ${version}`),
    observer: createStreamObserver(metrics, log),
    namesPerStream: config.limits.namesPerStream,
    ackDeadlineMs: config.sds.ackDeadlineMs,
    validator: config.sds.validator,
    unauthorized: config.sds.unauthorized,
  })
  sds.addTo(agentSocket.server)

  const health = createHealth({
    clock,
    deadlineMs: HEALTH_DEADLINE_MS,
    checks: healthChecks({ socket: config.socket, authority, sources, clock }),
  })
  const ready = async (): ReturnType<typeof health.ready> => {
    const result = await health.ready()
    metrics.ready.set(result.ok ? 1 : 0)
    return result
  }
  const reload = async (): Promise<void> => {
    sources.check()
    await authority.reload()
  }

  let http: HttpServer | undefined
  const status = async () => {
    const { ok, checks } = await ready()
    const faults = sources
      .states()
      .flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`]))
    const { fault } = authority.state.current
    return create(GetStatusResponseSchema, {
      version,
      trustDomain: config.trustDomain,
      pid: process.pid,
      startedAt: timestamp(startedAt)!,
      socket: config.socket,
      httpAddress: http?.address ?? '',
      ready: ok,
      problems: [
        ...checks.filter((check) => !check.ok).map((check) => `${check.name}: ${check.detail}`),
        ...faults,
        ...(fault === undefined ? [] : [`authority: ${fault}`]),
      ],
      connections: agentSocket.connections.size,
      streams: sds.streams.size,
      sidecars: new Set([...sds.streams].map((stream) => stream.sidecar)).size,
      entries: registry.current.entries.length,
      identities: identities.current().length,
      sources: sources.states().map(describeSource),
      peerCredentials: peerHandle,
    })
  }
  const explaining = (): ExplainParts => ({
    attestor,
    registry: registry.current,
    policy,
    sds,
    open(pid) {
      const peer = openProcess(libc, peers, { pid })
      return { peer, alive: () => peers.alive(peer), release: () => peers.release(peer) }
    },
    identityOf: (entry) => identities.find(entry.id) ?? { current: undefined, fault: undefined },
  })

  const allowed = new Set([0, uid, ...config.admin.allow])
  const adminSocket = await openSocket<{ readonly uid: number }>({
    libc,
    peers,
    clock,
    limits: { connectionsPerUid: 64, streamsPerConnection: 16 },
    path: config.admin.socket,
    mode: config.admin.allow.length > 0 ? 0o666 : 0o600,
    folderMode: config.admin.allow.length > 0 ? 0o755 : 0o700,
    welcome: ({ peer }) => (allowed.has(peer.uid) ? peer : undefined),
    report: report.adminConnections,
  })
  addAdminService(adminSocket.server, {
    status,
    sds,
    identities,
    authority,
    authorityKind: config.authority.kind,
    bundles: bundles.feed,
    trustDomain: config.trustDomain,
    sources: sources.states,
    reload,
    explaining,
    clock,
    publishMs: PUBLISH_MS,
  })
  if (config.http !== undefined)
    http = await startHttp({
      ...config.http,
      metrics: metricRegistry,
      health: { live: () => health.live(), ready },
      clock,
    })
  agentSocket.start()
  adminSocket.start()
  metrics.ready.set(1)
  const addresses = {
    socket: config.socket,
    adminSocket: config.admin.socket,
    http: http?.address ?? '',
  }
  log.info({ ...addresses, trustDomain: config.trustDomain, version }, 'agent ready')

  return {
    addresses,
    reload,
    async stop() {
      sds.endStreams('the agent is shutting down')
      await Promise.all([agentSocket.stop(), adminSocket.stop(), http?.close()])
      sds.close()
      callers.close()
      identities.close()
      bundles.close()
      sources.close()
      await authority.close()
    },
  }
}
