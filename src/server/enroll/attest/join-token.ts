import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { JoinToken } from '../../../store/model.ts'
import type { JoinTokenStore } from '../../../store/port.ts'
import { wordedStatus } from '../../../wire/status.ts'
import type { WordedStatus } from '../../../wire/status.ts'
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
  readonly joinTokens: Pick<JoinTokenStore, 'get'>
}

/** By a token that an operator made: the payload is its text. It is looked at here; who spends it first is the node. */
export function createJoinTokenAttestor(options: JoinTokenOptions): NodeAttestor {
  const { trustDomain, clock, joinTokens } = options
  return {
    type: TYPE,
    async attest(payload) {
      const token = Buffer.from(payload).toString()
      const agentId = idIfAny(trustDomain, token)
      if (agentId === undefined) throw joinTokenGone()
      const refusal = joinTokenFault(await joinTokens.get(token), clock.now())
      if (refusal !== undefined) throw refusal
      return { agentId, selectors: [], canReattest: false, firstUse: false, joinToken: token }
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

/** Why nobody comes in by it; undefined: it is good. */
export function joinTokenFault(
  token: JoinToken | undefined,
  now: number,
): WordedStatus | undefined {
  if (token === undefined) return joinTokenGone()
  return token.expiresAt <= now ? refused('join token expired') : undefined
}

export const joinTokenGone = (): WordedStatus =>
  refused('failed to attest: join token does not exist or has already been used')

const refused = (why: string) => wordedStatus(status.INVALID_ARGUMENT, why)
