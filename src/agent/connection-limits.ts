import type { AgentConfig } from '../config/agent-config.ts'
import type { ConnectionLimits } from './accept/acceptor.ts'
import { defaultConnectionsPerUid, mostConnections } from './accept/acceptor.ts'

/** What a process with that many descriptors lets its callers take up. */
export function connectionLimits(
  { connectionsPerUid }: Pick<AgentConfig['limits'], 'connectionsPerUid'>,
  descriptors: number,
): ConnectionLimits {
  return {
    connectionsPerUid: connectionsPerUid ?? defaultConnectionsPerUid(descriptors),
    connections: mostConnections(descriptors),
  }
}
