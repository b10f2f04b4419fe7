import { create } from '@bufbuild/protobuf'
import type { SPIFFEID } from '../../gen/spire/api/types/spiffeid_pb.js'
import { SPIFFEIDSchema } from '../../gen/spire/api/types/spiffeid_pb.js'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainOf } from '../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'

const PREFIX = 'spiffe://'

export function spiffeIdMessage(id: SpiffeId): SPIFFEID {
  const trustDomain = trustDomainOf(id)
  return create(SPIFFEIDSchema, { trustDomain, path: id.slice(PREFIX.length + trustDomain.length) })
}

/** @throws SpindleError `request_invalid` that names `field` */
export function readSpiffeId(message: SPIFFEID | undefined, field: string): SpiffeId {
  if (message === undefined) throw invalid(`${field}: is missing`)
  const { trustDomain, path } = message
  if (path !== '' && !path.startsWith('/')) throw invalid(`${field}: the path has no leading slash`)
  // What is more than a name would move the border between it and the path.
  const name = readTrustDomain(trustDomain, field)
  return named(field, () => parseSpiffeId(`${PREFIX}${name}${path}`))
}

/** By its name or by its ID, as SPIRE's clients give it. @throws SpindleError `request_invalid` that names `field` */
export function readTrustDomain(text: string, field: string): TrustDomain {
  const name = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text
  return named(field, () => parseTrustDomain(name))
}

function named<T>(field: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    throw new SpindleError('request_invalid', `${field}: ${messageOf(thrown)}`, { cause: thrown })
  }
}

function invalid(fault: string): SpindleError {
  return new SpindleError('request_invalid', fault)
}
