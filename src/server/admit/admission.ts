/**
 * Stands before every service of the server's API: whether the peer of a call may make it, by the table of permissions and by what
 * is known of the peer now. A connection outlives what was true when it was made: SVIDs expire, agents are banned.
 */
import { create } from '@bufbuild/protobuf'
import {
  PermissionDeniedDetailsSchema,
  PermissionDeniedDetails_Reason as Reason,
} from '../../gen/spire/api/types/status_pb.js'
import { SpindleError } from '../../runtime/errors.ts'
import { status } from '../../runtime/grpc-status.ts'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import type { CallCheck } from '../../wire/peer-server.ts'
import { wordedStatus } from '../../wire/status.ts'
import type { Refusal, WordedStatus } from '../../wire/status.ts'
import type { Audit } from '../audit/audit.ts'
import { auditCaller } from './peer.ts'
import type { PeerSvid, ServerPeer } from './peer.ts'
import { rolesAllowed } from './permissions.ts'
import type { PeerVerifier } from './verify-peer.ts'

/** Why the bearer of an SVID may not call as an agent. */
export type AgentFault = 'expired' | 'not-attested' | 'not-active' | 'banned'

/**
 * What the registry says of peers, asked for each call that rests on it. A rejection refuses the call with its code, so that a
 * store that is away admits nobody.
 */
export interface Standing {
  /** undefined: it is an agent that is attested, not banned, and this SVID is one of those it was given last. */
  agentFault(svid: PeerSvid): Promise<AgentFault | undefined>
  /** Whether the config or an entry calls it an admin. */
  isAdmin(spiffeId: SpiffeId): Promise<boolean>
  /** Whether an entry calls it a downstream server. */
  isDownstream(spiffeId: SpiffeId): Promise<boolean>
}

export interface AdmissionOptions {
  readonly verifier: Pick<PeerVerifier, 'faultOf'>
  readonly standing: Standing
  readonly audit: Audit
}

/** SPIRE's agents act on these: one that is not attested attests anew, one that is banned stops. */
const REASONS = {
  expired: Reason.AGENT_EXPIRED,
  'not-attested': Reason.AGENT_NOT_ATTESTED,
  'not-active': Reason.AGENT_NOT_ACTIVE,
  banned: Reason.AGENT_BANNED,
} as const satisfies Record<AgentFault, Reason>

/** The gate of a server whose peers are ServerPeers. */
export function createAdmission(
  options: AdmissionOptions,
): (path: string, peer: ServerPeer) => CallCheck | undefined {
  return (path, peer) => {
    const roles = rolesAllowed(path)
    if (roles.includes('anyone')) return undefined
    if (peer.kind === 'local' && roles.includes('local')) return undefined
    return async () => {
      const why = await objection(options, path, peer)
      if (why === undefined) return undefined
      const { reason, refusal } = why
      options.audit.write({ event: 'denied', caller: auditCaller(peer), method: path, reason })
      return refusal
    }
  }
}

interface Objection {
  /** Of the audit: a word of a closed set. */
  readonly reason: 'role' | 'untrusted' | AgentFault
  readonly refusal: Refusal
}

async function objection(
  { verifier, standing }: AdmissionOptions,
  path: string,
  peer: ServerPeer,
): Promise<Objection | undefined> {
  const roles = rolesAllowed(path)
  if (peer.kind === 'local' || peer.svid === undefined) return denied(path)
  const { svid } = peer
  const fault = verifier.faultOf(svid)
  if (fault === 'untrusted' || (fault === 'expired' && !roles.includes('agent'))) {
    const what = fault === 'expired' ? 'has expired' : 'is signed by no authority that is trusted'
    const refusal = new SpindleError('svid_refused', `the certificate of ${svid.spiffeId} ${what}`)
    return { reason: fault, refusal }
  }
  if (fault === 'expired') return denied(path, fault)
  if (roles.includes('admin') && (await standing.isAdmin(svid.spiffeId))) return undefined
  if (roles.includes('downstream') && (await standing.isDownstream(svid.spiffeId))) return undefined
  if (!roles.includes('agent')) return denied(path)
  const agentFault = await standing.agentFault(svid)
  return agentFault && denied(path, agentFault)
}

function denied(path: string, fault?: AgentFault): Objection {
  return { reason: fault ?? 'role', refusal: denial(path, fault) }
}

/** In SPIRE's words; also of a call that is under way when the fault comes. */
export function denial(path: string, fault?: AgentFault): WordedStatus {
  const detail = fault && {
    schema: PermissionDeniedDetailsSchema,
    value: create(PermissionDeniedDetailsSchema, { reason: REASONS[fault] }),
  }
  const text = `authorization denied for method ${path}`
  return wordedStatus(status.PERMISSION_DENIED, text, detail)
}
