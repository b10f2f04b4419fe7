import { create } from '@bufbuild/protobuf'
import type {
  CountAgentsRequest_Filter,
  ListAgentsRequest_Filter,
} from '#spire/api/server/agent/v1/agent_pb.js'
import type { Agent } from '#spire/api/types/agent_pb.js'
import { AgentSchema } from '#spire/api/types/agent_pb.js'
import type { SPIFFEID } from '#spire/api/types/spiffeid_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { AttestedAgent } from '../../../store/model.ts'
import type { AgentFilter } from '../../../store/port.ts'
import { isAgentId } from '../../enroll/attest/attestor.ts'
import { idMessage, readMemberId } from '../api/ids.ts'
import type { Fields } from '../api/mask.ts'
import { selectorMessage } from '../../../wire/spire/entry.ts'
import { readSelectorFilter } from '../api/selectors.ts'
import { reading } from '../api/status.ts'

export function agentMessage(agent: AttestedAgent): Agent {
  return create(AgentSchema, {
    id: idMessage(agent.id),
    attestationType: agent.attestationType,
    // SPIRE's server forgets it with the ban, and its clients tell a banned agent by that.
    x509svidSerialNumber: agent.banned ? '' : agent.serial,
    x509svidExpiresAt: BigInt(Math.floor(agent.expiresAt / 1_000)),
    selectors: agent.selectors.map(selectorMessage),
    banned: agent.banned,
    canReattest: agent.canReattest,
    agentVersion: agent.version,
  })
}

/** @throws WordedStatus */
export function readAgentId(message: SPIFFEID | undefined, own: TrustDomain): SpiffeId {
  return reading('invalid agent ID', () => {
    const id = readMemberId(message, own)
    if (isAgentId(id)) return id
    const why = 'path is not in the agent namespace'
    throw new SpindleError(
      'request_invalid',
      `"${id}" is not an agent in trust domain "${own}"; ${why}`,
    )
  })
}

type Filter = ListAgentsRequest_Filter | CountAgentsRequest_Filter

/** @throws WordedStatus */
export function readAgentFilter(filter: Fields<Filter> | undefined): AgentFilter {
  const { byAttestationType, bySelectorMatch, byBanned, byCanReattest, byExpiresBefore } =
    filter ?? {}
  return {
    attestationType: byAttestationType === '' ? undefined : byAttestationType,
    selectors:
      bySelectorMatch &&
      reading('failed to parse selectors', () => readSelectorFilter(bySelectorMatch)),
    banned: byBanned,
    canReattest: byCanReattest,
    expiresBefore:
      byExpiresBefore === undefined || byExpiresBefore === ''
        ? undefined
        : reading('failed to parse expires before', () => readInstant(byExpiresBefore)),
  }
}

/** As SPIRE's CLI writes it, `2030-01-02 15:04:05 -0700 -07`, its zone in hours or by name. */
const SPIRES =
  /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?) ([+-]\d\d)(\d\d) (?:[A-Z]{1,5}|[+-]\d\d(?:\d\d)?)$/
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** ms since the epoch. SPIRE's server takes what it cannot read for no filter; this one says so. */
function readInstant(text: string): number {
  const found = SPIRES.exec(text)
  const iso = found === null ? text : `${found[1]}T${found[2]}${found[3]}:${found[4]}`
  const instant = RFC_3339.test(iso) ? Date.parse(iso) : Number.NaN
  if (!Number.isNaN(instant)) return instant
  const allowed = '2030-01-02T15:04:05Z or 2030-01-02 15:04:05 +0000 UTC'
  throw new SpindleError('request_invalid', `is not a time such as ${allowed}`)
}
