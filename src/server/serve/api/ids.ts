/** SPIFFE IDs that are to be in a trust domain, by the rules that SPIRE's users know. */
import type { SPIFFEID } from '../../../gen/spire/api/types/spiffeid_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import { isWorkloadId, trustDomainId, trustDomainOf } from '../../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { readSpiffeId } from '../../../wire/spire/spiffe-id.ts'

type IdFields = Pick<SPIFFEID, 'trustDomain' | 'path'>

/** Of something in the trust domain: a workload, an agent, a server. @throws SpindleError as `readSpiffeId`, `request_invalid` */
export function readMemberId(message: IdFields | undefined, own: TrustDomain): SpiffeId {
  const id = readSpiffeId(message)
  const fault = (why: string): SpindleError =>
    new SpindleError('request_invalid', `"${id}" is not a member of trust domain "${own}"${why}`)
  if (trustDomainOf(id) !== own) throw fault('')
  if (!isWorkloadId(id)) throw fault('; path is empty')
  return id
}

/** Of a workload: `/spire` and what is below it are SPIRE's own. @throws SpindleError as `readMemberId` */
export function readWorkloadId(message: IdFields | undefined, own: TrustDomain): SpiffeId {
  const id = readMemberId(message, own)
  const path = id.slice(trustDomainId(own).length)
  if (path === '/spire' || path.startsWith('/spire/'))
    throw new SpindleError(
      'request_invalid',
      `"${id}" is not a workload in trust domain "${own}"; path is in the reserved namespace`,
    )
  return id
}

export { spiffeIdMessage as idMessage } from '../../../wire/spire/spiffe-id.ts'
