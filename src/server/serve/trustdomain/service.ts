/** SPIRE's TrustDomain service: which foreign trust domains this one federates with, and where their bundles come from. */
import { TrustDomain as TrustDomainService } from '../../../gen/spire/api/server/trustdomain/v1/trustdomain_pb.js'
import type { FederationRelationship as Message } from '../../../gen/spire/api/types/federationrelationship_pb.js'
import { status } from '../../../runtime/grpc-status.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { FederationRelationship } from '../../../store/model.ts'
import { MOST_A_PAGE } from '../../../store/port.ts'
import { readTrustDomain } from '../../../wire/spire/spiffe-id.ts'
import { wordedStatus } from '../../../wire/status.ts'
import { applyMask } from '../api/mask.ts'
import type { Fields } from '../api/mask.ts'
import { answerPage } from '../api/page.ts'
import { reading } from '../api/status.ts'
import { unaryService } from '../service.ts'
import type { Answers, ApiService } from '../service.ts'
import { relationshipChanges } from './changes.ts'
import { relationshipMessage } from './message.ts'
import type { TrustDomainServiceParts } from './parts.ts'

export function createTrustDomainService(parts: TrustDomainServiceParts): ApiService {
  return unaryService(TrustDomainService, trustDomainAnswers(parts), parts.faulted)
}

function trustDomainAnswers(parts: TrustDomainServiceParts): Answers<typeof TrustDomainService> {
  const { federation, bundles } = parts.store
  const messageOf = async (relationship: FederationRelationship) => {
    const { trustDomain } = relationship
    // Another server may have set it a moment ago.
    const bundle = parts.registry.bundle(trustDomain) ?? (await bundles.get(trustDomain))
    return relationshipMessage(relationship, bundle)
  }
  return {
    async listFederationRelationships({ outputMask, ...page }) {
      const { items, nextPageToken } = await answerPage(page, {
        most: MOST_A_PAGE,
        read: (one) => federation.list(one),
      })
      const federationRelationships: Fields<Message>[] = []
      for (const one of items)
        federationRelationships.push(applyMask(outputMask, await messageOf(one), 'trustDomain'))
      return { federationRelationships, nextPageToken }
    },
    async getFederationRelationship({ trustDomain, outputMask }) {
      const relationship = await federation.get(readName(trustDomain))
      if (relationship === undefined)
        throw wordedStatus(status.NOT_FOUND, 'federation relationship does not exist')
      return applyMask(outputMask, await messageOf(relationship), 'trustDomain')
    },
    ...relationshipChanges(parts),
    async refreshBundle({ trustDomain: text }) {
      const trustDomain = readName(text)
      if ((await federation.get(trustDomain)) === undefined)
        throw wordedStatus(status.NOT_FOUND, `no relationship with trust domain "${trustDomain}"`)
      throw wordedStatus(
        status.UNIMPLEMENTED,
        'this server does not fetch bundles from bundle endpoints: set them with `bundle set`',
      )
    },
  }
}

function readName(text: string): TrustDomain {
  return reading('failed to parse trust domain', () => readTrustDomain(text))
}
