/** SPIRE's Bundle service: the own trust domain's bundle for everybody, those of foreign ones for agents and operators. */
import { Bundle as BundleService } from '../../../gen/spire/api/server/bundle/v1/bundle_pb.js'
import { status } from '../../../runtime/grpc-status.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { StoredBundle } from '../../../store/model.ts'
import { MOST_A_PAGE } from '../../../store/port.ts'
import type { Page, PageRequest } from '../../../store/port.ts'
import { readTrustDomain } from '../../../wire/spire/spiffe-id.ts'
import { wordedStatus } from '../../../wire/status.ts'
import { applyMask } from '../api/mask.ts'
import { answerPage } from '../api/page.ts'
import { reading } from '../api/status.ts'
import { unaryService } from '../service.ts'
import type { Answers, ApiService } from '../service.ts'
import { federatedBundleChanges } from './federated.ts'
import { bundleMessage, keyMessage } from '../../publish/bundle-message.ts'
import { createOwnBundle } from './own.ts'
import type { BundleServiceParts } from './parts.ts'

/** PublishWITAuthority is UNIMPLEMENTED, as SPIRE has it while its feature flag is off. */
export function createBundleService(parts: BundleServiceParts): ApiService {
  return unaryService(BundleService, bundleAnswers(parts), parts.faulted)
}

function bundleAnswers(parts: BundleServiceParts): Answers<typeof BundleService> {
  const { trustDomain, store, registry } = parts
  const own = createOwnBundle(parts)
  return {
    async countBundles() {
      return { count: await store.bundles.count() }
    },
    getBundle({ outputMask }) {
      return applyMask(outputMask, bundleMessage(own.current()), 'trustDomain')
    },
    async appendBundle(request, asked) {
      const bundle = await own.append(request, asked)
      return applyMask(request.outputMask, bundleMessage(bundle), 'trustDomain')
    },
    async publishJWTAuthority(request, asked) {
      const { jwtAuthorities } = await own.publishJwt(request, asked)
      return { jwtAuthorities: jwtAuthorities.map(keyMessage) }
    },
    async listFederatedBundles({ outputMask, ...page }) {
      const { items, nextPageToken } = await answerPage(page, {
        most: MOST_A_PAGE,
        read: (one) => foreignBundles(parts, one),
      })
      const bundles = items.map((one) => applyMask(outputMask, bundleMessage(one), 'trustDomain'))
      return { bundles, nextPageToken }
    },
    async getFederatedBundle({ trustDomain: text, outputMask }) {
      const name = readForeign(text, trustDomain)
      // Another server may have set it a moment ago.
      const bundle = registry.bundle(name) ?? (await store.bundles.get(name))
      if (bundle === undefined) throw wordedStatus(status.NOT_FOUND, 'bundle not found')
      return applyMask(outputMask, bundleMessage(bundle), 'trustDomain')
    },
    ...federatedBundleChanges(parts),
  }
}

/** A page without the own bundle, which is kept among them, and as long as it would be if that were not there. */
async function foreignBundles(
  { store, trustDomain }: BundleServiceParts,
  request: PageRequest,
): Promise<Page<StoredBundle>> {
  const page = await store.bundles.list(request)
  const items = page.items.filter((bundle) => bundle.trustDomain !== trustDomain)
  if (items.length === page.items.length) return page
  if (page.next === undefined) return { items }
  const more = await store.bundles.list({ limit: 1, token: page.next })
  return { ...more, items: [...items, ...more.items] }
}

function readForeign(text: string, own: TrustDomain): TrustDomain {
  const trustDomain = reading('trust domain argument is not valid', () => readTrustDomain(text))
  if (trustDomain !== own) return trustDomain
  throw wordedStatus(
    status.INVALID_ARGUMENT,
    "getting a federated bundle for the server's own trust domain is not allowed",
  )
}
