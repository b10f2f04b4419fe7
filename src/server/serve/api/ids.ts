/** SPIFFE IDs and trust domains between messages and values, by the rules that SPIRE's users know. */
import type { SPIFFEID } from '../../../gen/spire/api/types/spiffeid_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import {
  isWorkloadId,
  parseSpiffeId,
  parseTrustDomain,
  trustDomainOf,
} from '../../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { spiffeIdMessage } from '../../../wire/spire/spiffe-id.ts'

type IdFields = Pick<SPIFFEID, 'trustDomain' | 'path'>

const SCHEME = 'spiffe://'

/**
 * The trust domain that a name (`example.org`) or an ID (`spiffe://example.org`) says: clients send either.
 * @throws SpindleError `spiffe_id_invalid`
 */
export function readTrustDomain(text: string): TrustDomain {
  return text.startsWith(SCHEME) ? trustDomainOf(parseSpiffeId(text)) : parseTrustDomain(text)
}

/** @throws SpindleError `spiffe_id_invalid`; `request_invalid` where there is none */
export function readSpiffeId(message: IdFields | undefined): SpiffeId {
  if (message === undefined)
    throw new SpindleError('request_invalid', 'request must specify SPIFFE ID')
  const { trustDomain, path } = message
  // Without its slash it would be read as the end of the trust domain's name.
  if (path !== '' && !path.startsWith('/'))
    throw new SpindleError('spiffe_id_invalid', 'path must have a leading slash')
  return parseSpiffeId(`${SCHEME}${readTrustDomain(trustDomain)}${path}`)
}

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
  const path = id.slice(SCHEME.length + own.length)
  if (path === '/spire' || path.startsWith('/spire/'))
    throw new SpindleError(
      'request_invalid',
      `"${id}" is not a workload in trust domain "${own}"; path is in the reserved namespace`,
    )
  return id
}

export const idMessage = spiffeIdMessage
