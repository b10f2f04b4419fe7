/** The admin socket: for root, the agent's own uid and those the configuration allows. */
import type { X509Authority } from '../authority/authority.ts'
import type { JwtAuthority } from '../authority/jwt/jwt-authority.ts'
import type { AgentConfig } from '../config/agent-config.ts'
import { openProcess } from '../os/process/open-process.ts'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import type { Health } from '../telemetry/health.ts'
import type { Log } from '../telemetry/log.ts'
import type { NamePolicy } from '../xds/names.ts'
import type { Kernel } from './accept/kernel.ts'
import type { ConnectionReport, LocalSocket } from './accept/socket.ts'
import { openSocket } from './accept/socket.ts'
import type { Attestor } from './attest/attestor.ts'
import type { Bundles } from './obtain/bundles.ts'
import type { Identities } from './obtain/identities.ts'
import type { ServerView } from './obtain/remote/view.ts'
import { addAdminService } from './serve/admin.ts'
import type { Grants } from './serve/grant/grants.ts'
import type { Sds } from './serve/sds.ts'
import type { Secrets } from './serve/secrets.ts'
import type { Workload } from './serve/workload/service.ts'
import type { Sources } from './sources.ts'
import { describeStatus, sourceStates } from './status.ts'

export interface AdminSocketParts {
  readonly kernel: Kernel
  readonly config: AgentConfig
  readonly version: string
  readonly startedAt: number
  readonly clock: Clock
  /** Of the agent. */
  readonly uid: number
  readonly socket: LocalSocket<unknown>
  readonly sds: Sds
  readonly workload: Workload
  readonly grants: Grants
  readonly identities: Identities
  readonly authority: X509Authority
  readonly jwtAuthority: JwtAuthority
  readonly bundles: Bundles
  readonly secrets: Secrets
  readonly sources: Sources
  readonly server: ServerView | undefined
  readonly attestor: Attestor
  readonly policy: NamePolicy
  readonly health: Health
  readonly httpAddress: () => string
  readonly reload: () => Promise<void>
  readonly report: ConnectionReport
  readonly log: Log
}

const LIMITS = { connectionsPerUid: 32, connections: 64, streamsPerConnection: 16 }
/** How long a rotation that is asked for waits for sidecars to take the new bundle. */
const PUBLISH_MS = 30_000

export async function openAdmin(
  parts: AdminSocketParts,
): Promise<Pick<LocalSocket<unknown>, 'start' | 'stop'>> {
  const { kernel, config, clock, identities, sources, sds } = parts
  const { path, allow } = { path: config.admin.socket, allow: config.admin.allow }
  const allowed = new Set([0, parts.uid, ...allow])
  const admin = await openSocket<{ readonly uid: number }>({
    ...kernel,
    clock,
    limits: LIMITS,
    path,
    // Others have to reach the socket before they can be told apart by uid.
    mode: allow.length > 0 ? 0o666 : 0o600,
    folderMode: allow.length > 0 ? 0o755 : 0o700,
    welcome: ({ peer }) =>
      allowed.has(peer.uid)
        ? peer
        : new SpindleError(
            'peer_refused',
            `uid ${peer.uid} is not one of those that may use ${path}`,
          ),
    report: parts.report,
  })
  const endWatches = addAdminService(admin.server, {
    ...parts,
    status: () =>
      describeStatus({
        ...parts,
        handle: kernel.handle,
        ready: () => parts.health.ready(),
        connections: () => parts.socket.connections.size,
      }),
    authorityKind: config.authority.kind,
    bundles: parts.bundles.feed,
    trustDomain: config.trustDomain,
    sources: () => sourceStates(parts),
    publishMs: PUBLISH_MS,
    faulted: (method, error) =>
      parts.log.error({ method, error }, 'admin call failed by a fault in Spindle'),
    explaining: () => ({
      attestor: parts.attestor,
      registry: sources.entries.current,
      policy: parts.policy,
      sds,
      workload: parts.workload,
      grants: parts.grants,
      connections: () => parts.socket.connections.values(),
      bundleFault: (name, meaning) => {
        const flavour = config.sds.validator
        const secret = parts.secrets.bundle(name, meaning, {
          bundles: parts.bundles.feed.current,
          flavour,
        })
        return 'why' in secret ? secret.why : undefined
      },
      clock,
      open(pid) {
        const peer = openProcess(kernel.libc, kernel.peers, { pid })
        return {
          peer,
          alive: () => kernel.peers.alive(peer),
          release: () => kernel.peers.release(peer),
        }
      },
      identityOf: (entry) => identities.find(entry.id),
    }),
  })
  return {
    start: () => admin.start(),
    stop() {
      endWatches()
      return admin.stop()
    },
  }
}
