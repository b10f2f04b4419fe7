import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { JoinTokenStore } from '../../../store/port.ts'
import { wordedStatus } from '../../../wire/status.ts'
import { agentIdOf } from './attestor.ts'
import type { NodeAttestor } from './attestor.ts'

const TYPE = 'join_token'

/** The agent that joins with a token. @throws SpindleError `spiffe_id_invalid` for a token that can be no part of an ID */
export function joinTokenAgentId(trustDomain: TrustDomain, token: string): SpiffeId {
  if (token.includes('/'))
    throw new SpindleError('spiffe_id_invalid', 'a token is one part of a path')
  return agentIdOf(trustDomain, `/${TYPE}/${token}`)
}

export interface JoinTokenOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly joinTokens: Pick<JoinTokenStore, 'take'>
}

/** By a token that an operator made: the payload is its text. Whoever takes it out of the store is the node. */
export function createJoinTokenAttestor(options: JoinTokenOptions): NodeAttestor {
  const { trustDomain, clock, joinTokens } = options
  return {
    type: TYPE,
    async attest(payload) {
      const token = Buffer.from(payload).toString()
      const agentId = idIfAny(trustDomain, token)
      const taken =
        agentId === undefined ? 'not_found' : (await joinTokens.take(token, clock.now())).kind
      if (taken === 'expired') throw refused('join token expired')
      if (taken === 'not_found' || agentId === undefined)
        throw refused('failed to attest: join token does not exist or has already been used')
      return { agentId, selectors: [], canReattest: false, firstUse: false }
    },
  }
}

/** undefined: no token was ever made of such a text. The error would quote it. */
function idIfAny(trustDomain: TrustDomain, token: string): SpiffeId | undefined {
  try {
    return joinTokenAgentId(trustDomain, token)
  } catch {
    return undefined
  }
}

const refused = (why: string) => wordedStatus(status.INVALID_ARGUMENT, why)
