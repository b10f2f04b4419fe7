/** What the checks stand on. */
import type { GetAuthorityResponse, GetStatusResponse } from '#spindle/admin/v1/admin_pb.js'
import type { AgentConfig } from '../../config/agent-config.ts'
import type { Libc } from '../../os/libc.ts'
import type { Registry } from '../../registration/match.ts'
import type { Clock } from '../../runtime/clock.ts'

/** An agent that answers on its admin socket. */
export interface RunningAgent {
  readonly status: GetStatusResponse
  readonly authority: GetAuthorityResponse
  /** As seen from here: undefined where the agent is outside of our pid namespace. */
  readonly pid: number | undefined
  readonly uid: number | undefined
}

export interface Setting {
  /** undefined: there is none that can be read; what is not known without one is left out. */
  readonly config: AgentConfig | undefined
  /** undefined: they cannot be read. */
  readonly registry: Registry | undefined
  readonly running: RunningAgent | undefined
  /** undefined where this is no Linux that is known. */
  readonly libc: Libc | undefined
  /** Of the agent that runs, else our own: whose files they must be. */
  readonly uid: number
  readonly clock: Clock
}
