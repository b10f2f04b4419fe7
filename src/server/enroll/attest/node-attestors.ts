/** The node attestors that the config switches on. */
import type { ServerConfig } from '../../../config/server/server-config.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { JoinTokenStore } from '../../../store/port.ts'
import type { NodeAttestor } from './attestor.ts'
import { createJoinTokenAttestor } from './join-token.ts'

export interface NodeAttestorsOptions {
  readonly config: ServerConfig['nodeAttestors']
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly joinTokens: Pick<JoinTokenStore, 'take'>
}

export interface NodeAttestors {
  readonly byType: ReadonlyMap<string, NodeAttestor>
  /** Looks at their files now. */
  reload(): void
  close(): void
}

export function openNodeAttestors(options: NodeAttestorsOptions): NodeAttestors {
  const { config } = options
  const attestors: NodeAttestor[] = []
  if (config.joinToken !== undefined) attestors.push(createJoinTokenAttestor(options))
  return {
    byType: new Map(attestors.map((attestor) => [attestor.type, attestor])),
    reload() {},
    close() {},
  }
}
