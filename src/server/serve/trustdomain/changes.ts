/** Federation relationships created, updated and deleted: an outcome for each of a batch, one after the other. */
import type { TrustDomain as TrustDomainService } from '../../../gen/spire/api/server/trustdomain/v1/trustdomain_pb.js'
import type {
  FederationRelationship as Message,
  FederationRelationshipMask as Mask,
} from '../../../gen/spire/api/types/federationrelationship_pb.js'
import { status } from '../../../runtime/grpc-status.ts'
import type { FederationRelationship, StoredBundle } from '../../../store/model.ts'
import { readTrustDomain } from '../../../wire/spire/spiffe-id.ts'
import { auditBundle, auditFederation } from '../api/audit.ts'
import { Refused, orRefused } from '../api/batch.ts'
import { applyMask } from '../api/mask.ts'
import type { Fields } from '../api/mask.ts'
import { ITEM_OK, itemStatus } from '../api/status.ts'
import type { ItemStatus } from '../api/status.ts'
import type { Answers, Asked } from '../service.ts'
import { readRelationship, relationshipMessage } from './message.ts'
import type { TrustDomainServiceParts } from './parts.ts'

interface RelationshipResult {
  readonly status: ItemStatus
  readonly federationRelationship?: Fields<Message>
}

interface DeletedResult {
  readonly status: ItemStatus
  readonly trustDomain: string
}

type Changes =
  | 'batchCreateFederationRelationship'
  | 'batchUpdateFederationRelationship'
  | 'batchDeleteFederationRelationship'

const CONVERT = 'failed to convert federation relationship'
const CREATE = 'failed to create federation relationship'
const UPDATE = 'failed to update federation relationship'
const OWN = itemStatus(
  status.INVALID_ARGUMENT,
  'unable to create federation relationship for server trust domain',
)
const EXISTS = itemStatus(
  status.ALREADY_EXISTS,
  `${CREATE}: federation relationship already exists`,
)
const NOT_THERE = itemStatus(status.NOT_FOUND, `${UPDATE}: federation relationship not found`)
const NOT_FOUND = itemStatus(status.NOT_FOUND, 'federation relationship not found')

export function relationshipChanges(
  parts: TrustDomainServiceParts,
): Pick<Answers<typeof TrustDomainService>, Changes> {
  const { store, registry, trustDomain: own } = parts

  /** Before the relationship: one that is there has the bundle it came with. */
  const setBundle = async (bundle: StoredBundle | undefined, asked: Asked): Promise<void> => {
    if (bundle === undefined) return
    await store.bundles.change(bundle.trustDomain, () => bundle)
    const { trustDomain: key, sequence: revision } = bundle
    auditBundle(parts, asked, { key, action: 'set', revision })
  }
  const createOne = async (
    message: Message,
    asked: Asked,
  ): Promise<FederationRelationship | Refused> => {
    const read = await orRefused(CONVERT, () => readRelationship(message))
    if (read instanceof Refused) return read
    const { trustDomain, fields, bundle } = read
    if (trustDomain === own) return new Refused(OWN)
    return await orRefused(CREATE, async () => {
      if ((await store.federation.get(trustDomain)) !== undefined) return new Refused(EXISTS)
      await setBundle(bundle, asked)
      // Every field has been read.
      const made = { trustDomain, ...fields } as FederationRelationship
      let isNew = false
      await store.federation.change(trustDomain, (current) => {
        isNew = current === undefined
        return current ?? made
      })
      if (!isNew) return new Refused(EXISTS)
      auditFederation(parts, asked, { key: trustDomain, action: 'create' })
      return made
    })
  }
  const updateOne = async (
    message: Message,
    mask: Mask | undefined,
    asked: Asked,
  ): Promise<FederationRelationship | Refused> => {
    const read = await orRefused(CONVERT, () => readRelationship(message, mask))
    if (read instanceof Refused) return read
    const { trustDomain, fields, bundle } = read
    return await orRefused(UPDATE, async () => {
      if ((await store.federation.get(trustDomain)) === undefined) return new Refused(NOT_THERE)
      await setBundle(bundle, asked)
      const changed = await store.federation.change(
        trustDomain,
        (current) => current && { ...current, ...fields },
      )
      if (changed === undefined) return new Refused(NOT_THERE)
      auditFederation(parts, asked, { key: trustDomain, action: 'update' })
      return changed
    })
  }
  const deleteOne = async (text: string, asked: Asked): Promise<DeletedResult> => {
    if (text === '')
      return {
        trustDomain: text,
        status: itemStatus(status.INVALID_ARGUMENT, 'missing trust domain'),
      }
    const trustDomain = await orRefused('failed to parse trust domain', () => readTrustDomain(text))
    if (trustDomain instanceof Refused) return { trustDomain: text, status: trustDomain.status }
    const outcome = await orRefused('failed to delete federation relationship', async () => {
      let wasThere = false
      await store.federation.change(trustDomain, (current) => {
        wasThere = current !== undefined
        return undefined
      })
      return wasThere ? ITEM_OK : NOT_FOUND
    })
    if (outcome instanceof Refused) return { trustDomain, status: outcome.status }
    if (outcome === ITEM_OK) auditFederation(parts, asked, { key: trustDomain, action: 'delete' })
    return { trustDomain, status: outcome }
  }
  /** As it is stored: the registry may show the one before it a while longer, and all there is where the store is away by now. */
  const bundleOf = ({ trustDomain }: FederationRelationship): Promise<StoredBundle | undefined> =>
    store.bundles.get(trustDomain).catch(() => registry.bundle(trustDomain))
  const changed = async (
    messages: readonly Message[],
    mask: Mask | undefined,
    change: (message: Message) => Promise<FederationRelationship | Refused>,
  ): Promise<{ results: RelationshipResult[] }> => {
    const outcomes: (FederationRelationship | Refused)[] = []
    for (const message of messages) outcomes.push(await change(message))
    await registry.shown()
    const results: RelationshipResult[] = []
    for (const outcome of outcomes) {
      if (outcome instanceof Refused) results.push({ status: outcome.status })
      else {
        const message = relationshipMessage(outcome, await bundleOf(outcome))
        const federationRelationship = applyMask(mask, message, 'trustDomain')
        results.push({ status: ITEM_OK, federationRelationship })
      }
    }
    return { results }
  }

  return {
    batchCreateFederationRelationship: ({ federationRelationships, outputMask }, asked) =>
      changed(federationRelationships, outputMask, (message) => createOne(message, asked)),
    batchUpdateFederationRelationship({ federationRelationships, inputMask, outputMask }, asked) {
      const change = (message: Message) => updateOne(message, inputMask, asked)
      return changed(federationRelationships, outputMask, change)
    },
    async batchDeleteFederationRelationship({ trustDomains }, asked) {
      const results: DeletedResult[] = []
      for (const text of trustDomains) results.push(await deleteOne(text, asked))
      return { results }
    },
  }
}
