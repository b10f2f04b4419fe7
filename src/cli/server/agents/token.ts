import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { parseSpiffeId } from '../../../spiffe/spiffe-id.ts'
import { spiffeIdMessage } from '../../../wire/spire/spiffe-id.ts'
import type { Io } from '../../io.ts'
import { askServer } from '../ask.ts'
import type { ServerOptions } from '../options.ts'

export function generateToken(
  io: Io,
  options: ServerOptions & { readonly spiffeId?: string; readonly ttl: number },
): Promise<void> {
  const { spiffeId, ttl } = options
  const agentId = spiffeId === undefined ? undefined : spiffeIdMessage(parseSpiffeId(spiffeId))
  return askServer(io, options, {
    method: Agent.method.createJoinToken,
    request: { ttl, ...(agentId !== undefined && { agentId }) },
    text: ({ value }) => `Token: ${value}\n`,
  })
}
