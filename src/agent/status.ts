/** The state of the agent as a whole: what `spindle status` shows. */
import { create } from '@bufbuild/protobuf'
import type { GetStatusResponse } from '#spindle/admin/v1/admin_pb.js'
import { GetStatusResponseSchema } from '#spindle/admin/v1/admin_pb.js'
import type { X509Authority } from '../authority/authority.ts'
import type { JwtAuthority } from '../authority/jwt/jwt-authority.ts'
import type { AgentConfig } from '../config/agent-config.ts'
import type { PeerHandle } from '../os/peer-credentials.ts'
import type { HealthResult } from '../telemetry/health.ts'
import type { SourceState } from './match/source.ts'
import type { Identities } from './obtain/identities.ts'
import type { ServerView } from './obtain/remote/view.ts'
import { at, describeSource, timestamp } from './serve/describe.ts'
import type { Sds } from './serve/sds.ts'
import type { Workload } from './serve/workload/service.ts'
import type { Sources } from './sources.ts'

export interface StatusParts {
  readonly config: AgentConfig
  readonly version: string
  /** ms since the epoch */
  readonly startedAt: number
  readonly handle: PeerHandle
  readonly ready: () => Promise<HealthResult>
  readonly httpAddress: () => string
  readonly connections: () => number
  readonly sds: Sds
  readonly workload: Workload
  readonly identities: Identities
  readonly sources: Sources
  readonly authority: X509Authority
  readonly jwtAuthority: JwtAuthority
  /** undefined: the agent has none. */
  readonly server: ServerView | undefined
}

export async function describeStatus(parts: StatusParts): Promise<GetStatusResponse> {
  const { config, sds, startedAt } = parts
  const { ok, checks } = await parts.ready()
  const sources = sourceStates(parts)
  const fault = parts.authority.state.current.fault
  const jwtFault = parts.jwtAuthority.state.current.fault
  const started = timestamp(startedAt)
  return create(GetStatusResponseSchema, {
    version: parts.version,
    trustDomain: config.trustDomain,
    pid: process.pid,
    ...(started && { startedAt: started }),
    socket: config.socket,
    httpAddress: parts.httpAddress(),
    ready: ok,
    problems: [
      ...checks.filter((check) => !check.ok).map((check) => `${check.name}: ${check.detail}`),
      ...sources
        .filter((source) => source.fault !== undefined)
        .map(({ name, fault: why }) => `${name}: ${why}`),
      ...(fault !== undefined && config.authority.kind === 'embedded'
        ? [`authority: ${fault}`]
        : []),
      ...(jwtFault === undefined || parts.server !== undefined
        ? []
        : [`jwt-authority: ${jwtFault}`]),
      ...serverProblems(parts.server, checks),
    ],
    connections: parts.connections(),
    streams: sds.streams.size,
    sidecars: new Set([...sds.streams].map((stream) => stream.sidecar)).size,
    workloadStreams: parts.workload.streams.size,
    workloads: parts.workload.uses.size,
    entries: parts.sources.entries.current?.entries.length ?? 0,
    identities: parts.identities.current().length,
    sources: sources.map(describeSource),
    peerCredentials: parts.handle,
    ...(parts.server && { server: describeServer(parts.server) }),
  })
}

function serverProblems(
  server: ServerView | undefined,
  checks: HealthResult['checks'],
): readonly string[] {
  if (server === undefined) return []
  const { fault, bootstrap } = server.state.current
  const isTold = checks.some(({ name, ok }) => name === 'server' && !ok)
  return [
    ...(fault === undefined || isTold ? [] : [`server: ${server.address}: ${fault}`]),
    ...(bootstrap === 'unverified'
      ? ['bootstrap: unverified: the server is trusted because it was the first to be seen']
      : []),
    ...(server.cache?.fault === undefined ? [] : [`cache: ${server.cache.fault}`]),
  ]
}

function describeServer({ address, state, cache }: ServerView) {
  const {
    fault = '',
    protocol = '',
    agentId = '',
    svidNotAfter,
    heardAt,
    bootstrap,
  } = state.current
  return {
    address,
    fault,
    protocol,
    agentId,
    ...at('svidExpiresAt', svidNotAfter),
    ...at('heardAt', heardAt),
    bootstrap,
    cache: cache === undefined ? 'off' : (cache.fault ?? 'kept'),
  }
}

/** The files of the configuration; those of an attached CA count as one. */
export function sourceStates({
  config,
  sources,
  authority,
  startedAt,
}: Pick<StatusParts, 'config' | 'sources' | 'authority' | 'startedAt'>): readonly SourceState[] {
  if (config.authority.kind !== 'disk') return sources.states()
  const { fault } = authority.state.current
  const attached = {
    name: 'authority',
    file:
      'pkcs12File' in config.authority ? config.authority.pkcs12File : config.authority.certFile,
    loadedAt: startedAt,
    fault,
  }
  return [...sources.states(), attached]
}
