import type { KeyType } from '../../../certs/keys.ts'
import type { ServerLinkConfig } from '../../../config/link/link-config.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Random } from '../../../runtime/random.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { LinkMemory } from './link.ts'

/** What a link is opened with. */
export interface LinkOptions {
  readonly config: ServerLinkConfig
  readonly trustDomain: TrustDomain
  /** Of the agent's own keys. */
  readonly keyType: KeyType
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Of this agent, as the server is told. */
  readonly version: string
  /** Of the process before this one. */
  readonly memory: LinkMemory | undefined
  /** Keeps what a restart needs; called again when it changed, never while an earlier call is not done. */
  readonly remember: (memory: LinkMemory) => Promise<void>
}
