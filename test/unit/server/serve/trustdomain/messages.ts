/** Messages of the TrustDomain service. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  FederationRelationship,
  FederationRelationshipSchema,
} from '#spire/api/types/federationrelationship_pb.js'

export type Init = Exclude<
  MessageInitShape<typeof FederationRelationshipSchema>,
  FederationRelationship
>

export const web = (trustDomain: string, more: Init = {}): Init => ({
  trustDomain,
  bundleEndpointUrl: `https://${trustDomain}:8443/bundle`,
  bundleEndpointProfile: { case: 'httpsWeb', value: {} },
  ...more,
})
