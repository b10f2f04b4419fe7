/** Federation relationships between messages (`spire.api.types.FederationRelationship`) and values, by SPIRE's rules. */
import { create } from '@bufbuild/protobuf'
import { FederationRelationshipSchema } from '../../../gen/spire/api/types/federationrelationship_pb.js'
import type {
  FederationRelationship as Message,
  FederationRelationshipMask,
} from '../../../gen/spire/api/types/federationrelationship_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import { parseSpiffeId } from '../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { FederationRelationship, StoredBundle } from '../../../store/model.ts'
import { naming, readTrustDomain } from '../../../wire/spire/spiffe-id.ts'
import { bundleMessage } from '../../publish/bundle-message.ts'
import { readBundle } from '../bundle/message.ts'

/** `bundle` is that of its trust domain, where there is one. */
export function relationshipMessage(
  { trustDomain, endpointUrl, profile }: FederationRelationship,
  bundle: StoredBundle | undefined,
): Message {
  return create(FederationRelationshipSchema, {
    trustDomain,
    bundleEndpointUrl: endpointUrl,
    bundleEndpointProfile:
      profile.kind === 'https_web'
        ? { case: 'httpsWeb', value: {} }
        : { case: 'httpsSpiffe', value: { endpointSpiffeId: profile.endpointId } },
    ...(bundle !== undefined && { trustDomainBundle: bundleMessage(bundle) }),
  })
}

export interface RelationshipChanges {
  readonly fields: Partial<FederationRelationship>
  /** To be set as that of the trust domain; undefined: it stays as it is. */
  readonly bundle: StoredBundle | undefined
}

/**
 * What `message` says of the fields that `mask` names, of all of them without a mask.
 * @throws SpindleError `request_invalid`, `spiffe_id_invalid`
 */
export function readRelationship(
  message: Message,
  mask?: FederationRelationshipMask,
): RelationshipChanges & { readonly trustDomain: TrustDomain } {
  const trustDomain = naming('failed to parse trust domain', () =>
    readTrustDomain(message.trustDomain),
  )
  const { trustDomainBundle } = message
  return {
    trustDomain,
    fields: {
      ...((mask?.bundleEndpointUrl ?? true) && {
        endpointUrl: readUrl(message.bundleEndpointUrl),
      }),
      ...((mask?.bundleEndpointProfile ?? true) && {
        profile: readProfile(message.bundleEndpointProfile),
      }),
    },
    bundle:
      (mask?.trustDomainBundle ?? true) && trustDomainBundle !== undefined
        ? readOwnBundle(trustDomain, trustDomainBundle)
        : undefined,
  }
}

/** SPIRE keeps it as it is written; what a lenient parser would repair is refused. */
function readUrl(text: string): string {
  const [, scheme, authority] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\]*)/i.exec(text) ?? []
  if (scheme?.toLowerCase() !== 'https')
    throw invalid('bundle endpoint URL must use the https scheme')
  if (authority === '' || authority?.startsWith(':') === true)
    throw invalid('bundle endpoint URL must specify the host')
  if (authority?.includes('@') === true)
    throw invalid('bundle endpoint URL must not contain user info')
  if (text.length > LONGEST_URL || /[^\x21-\x7e]/.test(text) || !URL.canParse(text))
    throw invalid('failed to parse bundle endpoint URL')
  return text
}

const LONGEST_URL = 2048

function readProfile(profile: Message['bundleEndpointProfile']): FederationRelationship['profile'] {
  switch (profile.case) {
    case 'httpsWeb':
      return { kind: 'https_web' }
    case 'httpsSpiffe': {
      const { endpointSpiffeId } = profile.value
      const endpointId = naming('failed to parse endpoint SPIFFE ID', () =>
        parseSpiffeId(endpointSpiffeId),
      )
      return { kind: 'https_spiffe', endpointId }
    }
    case undefined:
      throw invalid('bundle_endpoint_profile is neither https_web nor https_spiffe')
  }
}

function readOwnBundle(
  trustDomain: TrustDomain,
  message: NonNullable<Message['trustDomainBundle']>,
): StoredBundle {
  return naming('failed to parse bundle', () => {
    const said = readTrustDomain(message.trustDomain)
    if (said !== trustDomain)
      throw invalid(
        `trust domain bundle ("${said}") must match the trust domain of the federation relationship ("${trustDomain}")`,
      )
    return readBundle(trustDomain, message)
  })
}

function invalid(message: string): SpindleError {
  return new SpindleError('request_invalid', message)
}
