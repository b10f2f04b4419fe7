/** Bundles of foreign trust domains, which operators bring: an outcome for each of a batch, one after the other. */
import { BatchDeleteFederatedBundleRequest_Mode as Mode } from '../../../gen/spire/api/server/bundle/v1/bundle_pb.js'
import type { Bundle as BundleService } from '../../../gen/spire/api/server/bundle/v1/bundle_pb.js'
import type { Bundle, BundleMask } from '../../../gen/spire/api/types/bundle_pb.js'
import { status } from '../../../runtime/grpc-status.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { StoredBundle } from '../../../store/model.ts'
import type { DeleteBundleMode } from '../../../store/port.ts'
import { readTrustDomain } from '../../../wire/spire/spiffe-id.ts'
import { wordedStatus } from '../../../wire/status.ts'
import { auditBundle, auditEntry } from '../api/audit.ts'
import { Refused, orRefused } from '../api/batch.ts'
import { applyMask } from '../api/mask.ts'
import type { Fields } from '../api/mask.ts'
import { ITEM_OK, itemStatus } from '../api/status.ts'
import type { ItemStatus } from '../api/status.ts'
import type { Answers, Asked } from '../service.ts'
import { bundleMessage } from '../../publish/bundle-message.ts'
import { readBundle, readBundleChanges } from './message.ts'
import type { BundleServiceParts } from './parts.ts'

interface Batch {
  readonly bundle: readonly Bundle[]
  readonly outputMask?: BundleMask | undefined
}

interface BundleResult {
  readonly status: ItemStatus
  readonly bundle?: Fields<Bundle>
}

interface DeletedResult {
  readonly status: ItemStatus
  readonly trustDomain: string
}

type Changes =
  | 'batchCreateFederatedBundle'
  | 'batchUpdateFederatedBundle'
  | 'batchSetFederatedBundle'
  | 'batchDeleteFederatedBundle'

const DELETE = 'failed to delete federated bundle'
const NOT_FOUND = itemStatus(status.NOT_FOUND, 'bundle not found')
const EXISTS = itemStatus(status.ALREADY_EXISTS, 'bundle already exists')

const MODES: Readonly<Record<Mode, DeleteBundleMode>> = {
  [Mode.RESTRICT]: 'restrict',
  [Mode.DELETE]: 'delete',
  [Mode.DISSOCIATE]: 'dissociate',
}

type BundleChange = (current: StoredBundle | undefined) => StoredBundle | Refused

interface Changing {
  readonly action: 'create' | 'update' | 'set'
  /** Why not the own trust domain's, in SPIRE's words. */
  readonly own: string
  readonly asked: Asked
  readonly read: (message: Bundle, trustDomain: TrustDomain) => BundleChange
}

export function federatedBundleChanges(
  parts: BundleServiceParts,
): Pick<Answers<typeof BundleService>, Changes> {
  const { store, registry } = parts

  const readForeign = async (text: string, own: string): Promise<TrustDomain | Refused> => {
    const found = await orRefused('trust domain argument is not valid', () => readTrustDomain(text))
    if (found !== parts.trustDomain) return found
    return new Refused(itemStatus(status.INVALID_ARGUMENT, own))
  }
  const changeOne = async (
    message: Bundle,
    { action, own, asked, read }: Changing,
  ): Promise<StoredBundle | Refused> => {
    const trustDomain = await readForeign(message.trustDomain, own)
    if (trustDomain instanceof Refused) return trustDomain
    const change = await orRefused('failed to convert bundle', () => read(message, trustDomain))
    if (change instanceof Refused) return change
    const outcome = await orRefused(`failed to ${action} bundle`, async () => {
      let made: StoredBundle | Refused | undefined
      await store.bundles.change(trustDomain, (current) => {
        made = change(current)
        return made instanceof Refused ? current : made
      })
      return made!
    })
    if (!(outcome instanceof Refused))
      auditBundle(parts, asked, { key: trustDomain, action, revision: outcome.sequence })
    return outcome
  }
  const changeEach = async (
    { bundle: messages, outputMask }: Batch,
    changing: Changing,
  ): Promise<{ results: BundleResult[] }> => {
    const results: BundleResult[] = []
    for (const message of messages)
      results.push(changedResult(await changeOne(message, changing), outputMask))
    await registry.shown()
    return { results }
  }
  const deleteOne = async (
    text: string,
    mode: DeleteBundleMode,
    asked: Asked,
  ): Promise<ItemStatus> => {
    const own = 'removing the bundle for the server trust domain is not allowed'
    const trustDomain = await readForeign(text, own)
    if (trustDomain instanceof Refused) return trustDomain.status
    const outcome = await orRefused(DELETE, () => store.bundles.delete(trustDomain, mode))
    if (outcome instanceof Refused) return outcome.status
    if (outcome.kind === 'not_found') return NOT_FOUND
    if (outcome.kind === 'in_use')
      return itemStatus(
        status.FAILED_PRECONDITION,
        `${DELETE}: cannot delete bundle; federated with ${outcome.entries} registration entries`,
      )
    auditBundle(parts, asked, { key: trustDomain, action: 'delete' })
    for (const entry of outcome.entries)
      auditEntry(parts, asked, { entry, action: mode === 'delete' ? 'delete' : 'update' })
    return ITEM_OK
  }

  return {
    batchCreateFederatedBundle: (batch, asked) =>
      changeEach(batch, {
        action: 'create',
        own: "creating a federated bundle for the server's own trust domain is not allowed",
        asked,
        read(message, trustDomain) {
          const given = readBundle(trustDomain, message)
          return (current) => (current === undefined ? given : new Refused(EXISTS))
        },
      }),
    batchUpdateFederatedBundle: (batch, asked) =>
      changeEach(batch, {
        action: 'update',
        own: "updating a federated bundle for the server's own trust domain is not allowed",
        asked,
        read(message) {
          const changes = readBundleChanges(message, batch.inputMask)
          return (current) =>
            // What is undefined is left out when it is stored.
            current === undefined
              ? new Refused(NOT_FOUND)
              : ({ ...current, ...changes } as StoredBundle)
        },
      }),
    batchSetFederatedBundle: (batch, asked) =>
      changeEach(batch, {
        action: 'set',
        own: "setting a federated bundle for the server's own trust domain is not allowed",
        asked,
        read(message, trustDomain) {
          const given = readBundle(trustDomain, message)
          return () => given
        },
      }),
    async batchDeleteFederatedBundle({ trustDomains, mode: asksFor }, asked) {
      const mode = MODES[asksFor] as DeleteBundleMode | undefined
      // A newer client's: it may mean something gentler than any that is known.
      if (mode === undefined)
        throw wordedStatus(
          status.INVALID_ARGUMENT,
          `failed to parse deletion mode: unhandled delete mode "${asksFor}"`,
        )
      const results: DeletedResult[] = []
      for (const trustDomain of trustDomains)
        results.push({ trustDomain, status: await deleteOne(trustDomain, mode, asked) })
      await registry.shown()
      return { results }
    },
  }
}

function changedResult(
  outcome: StoredBundle | Refused,
  mask: BundleMask | undefined,
): BundleResult {
  if (outcome instanceof Refused) return { status: outcome.status }
  return { status: ITEM_OK, bundle: applyMask(mask, bundleMessage(outcome), 'trustDomain') }
}
