/** A node that has proven itself becomes an agent of the registry, with what its token spends and brings. */
import { status } from '../../../runtime/grpc-status.ts'
import type { AttestedAgent } from '../../../store/model.ts'
import type { WordedStatus } from '../../../wire/status.ts'
import { attestationRefused } from '../../enroll/attest/attestor.ts'
import type { Attested } from '../../enroll/attest/attestor.ts'
import { joinTokenFault, joinTokenGone } from '../../enroll/attest/join-token.ts'
import { changeAgent } from './change.ts'
import type { AgentParts } from './parts.ts'
import { bannedFrom } from './refusals.ts'
import type { AgentSvid } from './svid.ts'

interface Enrolment {
  readonly attested: Attested
  readonly type: string
  readonly svid: AgentSvid
}

/** Why the node may not come in, or not again; undefined: it may. */
export function enrolmentRefusal(
  current: AttestedAgent | undefined,
  { firstUse }: Attested,
  type: string,
): WordedStatus | undefined {
  if (current?.banned === true) return bannedFrom('attest')
  if (current === undefined) return undefined
  // An ID that a template makes of what a certificate says may be that of an agent which proved something else.
  if (current.attestationType !== type) return takenByAnother(current, type)
  if (!firstUse) return undefined
  const why = 'attestation data has already been used to attest an agent'
  return attestationRefused(type, status.PERMISSION_DENIED, why)
}

function takenByAnother({ id, attestationType }: AttestedAgent, type: string): WordedStatus {
  const why = `agent "${id}" has attested by ${attestationType}: it is to be evicted first`
  return attestationRefused(type, status.PERMISSION_DENIED, why)
}

/**
 * Once more it is judged under the lock: of two at once only one is the first, a ban may have come meanwhile, a token may be spent.
 * @throws WordedStatus, SpindleError as the store's: then nothing is stored, and a token is as good as before
 */
export async function enroll(parts: AgentParts, enrolment: Enrolment): Promise<void> {
  const { attested, type } = enrolment
  const { agentId, joinToken } = attested
  if (joinToken !== undefined) return await spend(parts, { ...enrolment, joinToken })
  await changeAgent(parts.store, agentId, {
    refusalOf: (current) => enrolmentRefusal(current, attested, type),
    change: (current) => agentOf(enrolment, current),
  })
}

async function spend(
  { store, clock }: AgentParts,
  { joinToken, ...enrolment }: Enrolment & { readonly joinToken: string },
): Promise<void> {
  const { attested, type } = enrolment
  const { agentId } = attested
  let refusal: WordedStatus | undefined
  const joined = await store.joinTokens.join(joinToken, agentId, (token, current) => {
    refusal = joinTokenFault(token, clock.now()) ?? enrolmentRefusal(current, attested, type)
    return refusal === undefined ? agentOf(enrolment, current) : undefined
  })
  if (joined !== 'joined') throw refusal ?? joinTokenGone()
}

function agentOf(
  { attested, type, svid }: Enrolment,
  current: AttestedAgent | undefined,
): AttestedAgent {
  const { agentId: id, selectors, canReattest } = attested
  return {
    id,
    attestationType: type,
    serial: svid.serial,
    expiresAt: svid.notAfter,
    canReattest,
    banned: false,
    version: current?.version ?? '',
    selectors,
  }
}
