/** The node attestors that the config switches on. */
import type { ServerConfig } from '../../../config/server/server-config.ts'
import { systemLookup } from '../../../os/http/get.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Random } from '../../../runtime/random.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { JoinTokenStore } from '../../../store/port.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { Registry } from '../registry.ts'
import type { NodeAttestor } from './attestor.ts'
import { openCaFiles } from './ca-files.ts'
import { createHttpChallengeAttestor } from './http-challenge.ts'
import { createJoinTokenAttestor } from './join-token.ts'
import { createX509popAttestor } from './x509pop.ts'

export interface NodeAttestorsOptions {
  readonly config: ServerConfig['nodeAttestors']
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly joinTokens: Pick<JoinTokenStore, 'get'>
  readonly registry: Pick<Registry, 'bundle'>
}

export interface NodeAttestors {
  readonly byType: ReadonlyMap<string, NodeAttestor>
  /** Looks at their files now. */
  reload(): void
  close(): void
}

/** @throws SpindleError `config_invalid` for a file that cannot be used */
export function openNodeAttestors(options: NodeAttestorsOptions): NodeAttestors {
  const { joinToken, x509pop, httpChallenge } = options.config
  const { trustDomain, registry } = options
  const attestors: NodeAttestor[] = []
  if (joinToken !== undefined) attestors.push(createJoinTokenAttestor(options))
  const files = openCaFiles(x509pop?.caBundleFiles ?? [], options)
  // Of a tainted one the key may be in other hands, and an agent's SVID would be new and by another.
  const ownAuthorities = (): readonly Uint8Array[] =>
    registry
      .bundle(trustDomain)
      ?.x509Authorities.flatMap(({ certificate, tainted }) => (tainted ? [] : [certificate])) ?? []
  if (x509pop !== undefined) {
    const anchors = x509pop.mode === 'spiffe' ? ownAuthorities : files.anchors
    attestors.push(createX509popAttestor({ ...options, config: x509pop, anchors }))
  }
  if (httpChallenge !== undefined) {
    const more = { config: httpChallenge, lookup: systemLookup }
    attestors.push(createHttpChallengeAttestor({ ...options, ...more }))
  }
  return {
    byType: new Map(attestors.map((attestor) => [attestor.type, attestor])),
    reload: files.check,
    close: files.close,
  }
}
