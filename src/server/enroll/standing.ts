/** What the registry says of who calls: the standing of agents, and who else may do what. */
import type { Clock } from '../../runtime/clock.ts'
import { codeOf } from '../../runtime/errors.ts'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import type { AttestedAgent } from '../../store/model.ts'
import type { AgentStore } from '../../store/port.ts'
import type { AgentFault, Standing } from '../admit/admission.ts'
import type { PeerSvid } from '../admit/peer.ts'
import type { Registry } from './registry.ts'

export interface StandingOptions {
  readonly registry: Pick<Registry, 'agent' | 'entriesNamed' | 'shown' | 'refreshed'>
  readonly agents: Pick<AgentStore, 'change'>
  /** Of the config. */
  readonly admins: readonly SpiffeId[]
  readonly clock: Clock
}

export function createStanding(options: StandingOptions): Standing {
  const { registry, clock } = options
  const admins = new Set(options.admins)
  const activate = createActivation(options)

  const isCalled = (spiffeId: SpiffeId, role: 'admin' | 'downstream'): boolean =>
    registry
      .entriesNamed(spiffeId)
      .some((entry) => entry[role] && (entry.expiresAt ?? Infinity) > clock.now())

  return {
    async agentFault(svid) {
      if (clock.now() > svid.notAfter) return 'expired'
      // It may have attested, or been renewed, at another server a moment ago.
      if (faultOf(svid, registry.agent(svid.spiffeId)) !== undefined) await registry.refreshed()
      const agent = registry.agent(svid.spiffeId)
      const fault = faultOf(svid, agent)
      if (fault === undefined && agent?.serial !== svid.serial) await activate(svid)
      return fault
    },
    isAdmin: async (spiffeId) => admins.has(spiffeId) || isCalled(spiffeId, 'admin'),
    isDownstream: async (spiffeId) => isCalled(spiffeId, 'downstream'),
  }
}

function faultOf(svid: PeerSvid, agent: AttestedAgent | undefined): AgentFault | undefined {
  if (agent === undefined) return 'not-attested'
  if (agent.banned) return 'banned'
  return isActive(svid, agent) ? undefined : 'not-active'
}

/** Whether it is one of those the agent may call with: the last one it has shown, or the one it was given after that. */
export function isActive({ serial }: Pick<PeerSvid, 'serial'>, agent: AttestedAgent): boolean {
  return agent.serial === serial || agent.pending?.serial === serial
}

/**
 * The SVID that an agent was given last takes the place of the one before with the first call that is made with it: only then is
 * it sure that the agent has it (SPIRE's rule). Calls of one moment make one change.
 */
function createActivation({ agents, registry }: StandingOptions) {
  const underWay = new Map<string, Promise<void>>()
  const activate = async ({ spiffeId, serial }: PeerSvid): Promise<void> => {
    try {
      await agents.change(spiffeId, (agent) => {
        if (agent?.pending?.serial !== serial) return agent
        const { pending, ...rest } = agent
        return { ...rest, ...pending }
      })
      await registry.shown()
    } catch (thrown) {
      // Both are good until the store is back: a store that is away shall not stop a fleet.
      if (codeOf(thrown) !== 'store_unavailable') throw thrown
    }
  }
  return (svid: PeerSvid): Promise<void> => {
    const key = `${svid.serial} ${svid.spiffeId}`
    const before = underWay.get(key)
    if (before !== undefined) return before
    const now = activate(svid).finally(() => underWay.delete(key))
    underWay.set(key, now)
    return now
  }
}
