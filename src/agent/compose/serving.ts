/** serve: what callers are answered with, on the agent's socket. */
import { SecretDiscoveryService } from '#envoy/service/secret/v3/sds_pb.js'
import { Health } from '#grpc/health/v1/health_pb.js'
import { SpiffeWorkloadAPI } from '#spiffe/workload/workload_pb.js'
import type { AgentConfig } from '../../config/agent-config.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { createNonces } from '../../runtime/random.ts'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import type { Caller } from '../match/caller.ts'
import type { Supply } from '../obtain/supply.ts'
import { createGrants } from '../serve/grant/grants.ts'
import { createQuarantine } from '../serve/quarantine.ts'
import { createResponseEncoder } from '../serve/responses.ts'
import { createSds } from '../serve/sds.ts'
import { createSecrets } from '../serve/secrets.ts'
import { createHealthService } from '../../wire/standard/health.ts'
import { createReflectionService } from '../../wire/standard/reflection.ts'
import { createServing } from '../serve/standard/serving.ts'
import type { StreamObserver } from '../serve/stream.ts'
import { createWorkload } from '../serve/workload/service.ts'
import type { WorkloadObserver } from '../serve/workload/uses.ts'
import type { LocalSocket } from '../accept/socket.ts'

export interface ServingOptions {
  readonly config: AgentConfig
  readonly clock: Clock
  readonly random: Random
  readonly version: string
  readonly observers: { readonly sds: StreamObserver; readonly workload: WorkloadObserver }
}

export function openServing(
  { config, clock, random, version, observers }: ServingOptions,
  socket: LocalSocket<Caller>,
  { identities, bundles, jwtSvids, authority, jwtAuthority }: Supply,
) {
  const policy = {
    reserved: config.sds.names,
    aliases: new Map<string, SpiffeId>(Object.entries(config.sds.aliases)),
    trustDomain: config.trustDomain,
    unregisteredBundles: config.workload.unregisteredBundles,
  }
  const secrets = createSecrets()
  const grants = createGrants({ identities, bundles: bundles.feed })
  const sds = createSds({
    ...config.sds,
    callerOf: socket.peerOf,
    grants,
    bundles: bundles.feed,
    secrets,
    quarantine: createQuarantine(),
    policy,
    clock,
    nonce: createNonces(random),
    encoder: createResponseEncoder(`spindle ${version}`),
    observer: observers.sds,
    namesPerStream: config.limits.namesPerStream,
  })
  sds.addTo(socket.server)
  const workload = createWorkload({
    ...config.workload,
    callerOf: socket.peerOf,
    grants,
    bundles: bundles.feed,
    trustDomain: config.trustDomain,
    clock,
    jwtSvids,
    observer: observers.workload,
  })
  const serving = createServing({ x509: authority.state, jwt: jwtAuthority.state, clock })
  const health = createHealthService(serving.statuses)
  const reflection = createReflectionService([SecretDiscoveryService, SpiffeWorkloadAPI, Health])
  for (const service of [workload, health, reflection]) service.addTo(socket.server)
  return {
    policy,
    secrets,
    grants,
    sds,
    workload,
    endStreams(why: string): void {
      serving.close()
      for (const service of [sds, workload, health, reflection]) service.endStreams(why)
    },
  }
}
