/** SPIFFE IDs and trust domains between messages and values, by the rules and in the words that SPIRE's users know. */
import { create } from '@bufbuild/protobuf'
import type { SPIFFEID } from '../../gen/spire/api/types/spiffeid_pb.js'
import { SPIFFEIDSchema } from '../../gen/spire/api/types/spiffeid_pb.js'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainOf } from '../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'

const SCHEME = 'spiffe://'

export function spiffeIdMessage(id: SpiffeId): SPIFFEID {
  const trustDomain = trustDomainOf(id)
  return create(SPIFFEIDSchema, { trustDomain, path: id.slice(SCHEME.length + trustDomain.length) })
}

/** @throws SpindleError `spiffe_id_invalid`; `request_invalid` where there is none */
export function readSpiffeId(
  message: Pick<SPIFFEID, 'trustDomain' | 'path'> | undefined,
): SpiffeId {
  if (message === undefined)
    throw new SpindleError('request_invalid', 'request must specify SPIFFE ID')
  const { trustDomain, path } = message
  // Without its slash it would be read as the end of the trust domain's name.
  if (path !== '' && !path.startsWith('/'))
    throw new SpindleError('spiffe_id_invalid', 'path must have a leading slash')
  return parseSpiffeId(`${SCHEME}${readTrustDomain(trustDomain)}${path}`)
}

/**
 * The trust domain that a name (`example.org`) or an ID (`spiffe://example.org`) says: clients send either.
 * @throws SpindleError `spiffe_id_invalid`
 */
export function readTrustDomain(text: string): TrustDomain {
  return text.startsWith(SCHEME) ? trustDomainOf(parseSpiffeId(text)) : parseTrustDomain(text)
}

/** What `read` returns; what it throws on purpose says `what` it was about. @throws SpindleError of the code it had */
export function naming<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    throw new SpindleError(thrown.code, `${what}: ${messageOf(thrown)}`, { cause: thrown })
  }
}
