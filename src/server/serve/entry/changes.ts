/**
 * Entries created, updated and deleted: an outcome for each of a batch, in its order. What can be refused for itself is refused
 * alone. A batch is not one change but as many as it has items, as with SPIRE: of a large one some are stored, and are lines of
 * the audit, before others.
 */
import type { Entry as EntryService } from '../../../gen/spire/api/server/entry/v1/entry_pb.js'
import type { Entry, EntryMask } from '../../../gen/spire/api/types/entry_pb.js'
import { parseEntryId } from '../../../registration/server-entry.ts'
import type { EntryContent, EntryId, ServerEntry } from '../../../registration/server-entry.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { trustDomainId } from '../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { NewEntry } from '../../../store/model.ts'
import type { Created, EntryChange, Updated } from '../../../store/port.ts'
import { entryMessage } from '../../../wire/spire/entry.ts'
import { auditEntry } from '../api/audit.ts'
import { Refused, inLots, orRefused, settled } from '../api/batch.ts'
import { ITEM_OK, itemFault, itemStatus } from '../api/status.ts'
import type { ItemStatus } from '../api/status.ts'
import type { Answers, Asked } from '../service.ts'
import { failed } from '../worded.ts'
import { checkContent, readChanges, readContent } from './message.ts'
import type { EntryServiceParts } from './parts.ts'

interface Masks {
  readonly inputMask?: EntryMask | undefined
  readonly outputMask?: EntryMask | undefined
}

interface EntryResult {
  readonly status: ItemStatus
  readonly entry?: Entry
}

interface DeletedResult {
  readonly status: ItemStatus
  readonly id: string
}

type Changes = 'batchCreateEntry' | 'batchUpdateEntry' | 'batchDeleteEntry'

const CONVERT = 'failed to convert entry'
const CREATE = 'failed to create entry'
const UPDATE = 'failed to update entry'
const DELETE = 'failed to delete entry'
const SIMILAR = itemStatus(status.ALREADY_EXISTS, 'similar entry already exists')
const ID_TAKEN = itemStatus(status.ALREADY_EXISTS, `${CREATE}: its ID is that of another entry`)
const NOT_FOUND = itemStatus(status.NOT_FOUND, 'entry not found')

export function entryChanges(
  parts: EntryServiceParts,
): Pick<Answers<typeof EntryService>, Changes> {
  const { store, registry } = parts
  const tell = (asked: Asked, action: string, entry: ServerEntry): void =>
    auditEntry(parts, asked, { entry, action })

  const fault = (what: string, why: unknown, { method }: Asked): ItemStatus =>
    failed(what, why, { faulted: parts.faulted, method })

  const create = async (
    entries: readonly Entry[],
    mask: EntryMask | undefined,
    asked: Asked,
  ): Promise<EntryResult[]> => {
    const items = await inOrder(entries, (entry) => readNew(parts, entry))
    const outcomes = await settled(items, (created) => store.entries.create(created))
    for (const outcome of outcomes)
      if (!(outcome instanceof Refused) && outcome.kind === 'created')
        tell(asked, 'create', outcome.entry)
    return outcomes.map((outcome) => createdResult(outcome, mask))
  }
  const update = async (
    entries: readonly Entry[],
    { inputMask, outputMask }: Masks,
    asked: Asked,
  ): Promise<EntryResult[]> => {
    const items = await inOrder(entries, (entry) => readUpdate(parts, entry, inputMask))
    const outcomes = await settled(items, (updates) => store.entries.update(updates))
    for (const outcome of outcomes)
      if (!(outcome instanceof Refused) && outcome.kind === 'updated')
        tell(asked, 'update', outcome.entry)
    return outcomes.map((outcome, index) => {
      const item = items[index]!
      const why = item instanceof Refused ? undefined : item.fault
      const refused = why && new Refused(itemFault(UPDATE, why))
      return updatedResult(refused ?? outcome, outputMask)
    })
  }
  const remove = async (ids: readonly string[], asked: Asked): Promise<DeletedResult[]> => {
    const outcomes = await settled(ids.map(readId), (known) => store.entries.delete(known))
    for (const outcome of outcomes)
      if (!(outcome instanceof Refused) && outcome.kind === 'deleted')
        tell(asked, 'delete', outcome.was)
    return outcomes.map((outcome, index) => {
      if (outcome instanceof Refused) return { id: ids[index]!, status: outcome.status }
      return { id: ids[index]!, status: outcome.kind === 'deleted' ? ITEM_OK : NOT_FOUND }
    })
  }

  return {
    async batchCreateEntry({ entries, outputMask }, asked) {
      const results = await inLots(entries, {
        ask: (lot) => create(lot, outputMask, asked),
        failed: (_, why) => ({ status: fault(CREATE, why, asked) }),
      })
      await registry.shown()
      return { results }
    },
    async batchUpdateEntry({ entries, ...masks }, asked) {
      const results = await inLots(entries, {
        ask: (lot) => update(lot, masks, asked),
        failed: (_, why) => ({ status: fault(UPDATE, why, asked) }),
      })
      await registry.shown()
      return { results }
    },
    async batchDeleteEntry({ ids }, asked) {
      const results = await inLots(ids, {
        ask: (lot) => remove(lot, asked),
        failed: (id, why) => ({ id, status: fault(DELETE, why, asked) }),
      })
      await registry.shown()
      return { results }
    },
  }
}

async function inOrder<T, U>(
  all: readonly T[],
  ask: (one: T) => Promise<U>,
): Promise<readonly U[]> {
  const answers: U[] = []
  for (const one of all) answers.push(await ask(one))
  return answers
}

async function readNew(parts: EntryServiceParts, message: Entry): Promise<NewEntry | Refused> {
  const content = await orRefused(CONVERT, () => readContent(message, parts.trustDomain))
  if (content instanceof Refused) return content
  return await orRefused(CREATE, async () => {
    const id = message.id === '' ? undefined : parseEntryId(message.id)
    await checkFederation(parts, content.federatesWith)
    return { ...content, ...(id !== undefined && { id }) }
  })
}

/** An update, and why its last try changed nothing: what holds between fields is seen when they meet. */
interface Updating extends EntryChange {
  fault: SpindleError | undefined
}

async function readUpdate(
  parts: EntryServiceParts,
  message: Entry,
  mask: EntryMask | undefined,
): Promise<Updating | Refused> {
  const id = readId(message.id)
  if (id instanceof Refused) return new Refused(naming(UPDATE, id.status))
  const changes = await orRefused(CONVERT, () => readChanges(message, mask, parts.trustDomain))
  if (changes instanceof Refused) return changes
  const updating: Updating = {
    id,
    fault: undefined,
    change(entry) {
      // What is undefined is left out when it is stored.
      const next = { ...entry, ...changes } as EntryContent
      updating.fault = contentFault(next)
      return updating.fault === undefined ? next : entry
    },
  }
  return await orRefused(UPDATE, async () => {
    await checkFederation(parts, changes.federatesWith ?? [])
    return updating
  })
}

function contentFault(content: EntryContent): SpindleError | undefined {
  try {
    checkContent(content)
    return undefined
  } catch (thrown) {
    if (thrown instanceof SpindleError) return thrown
    throw thrown
  }
}

function readId(text: string): EntryId | Refused {
  if (text === '') return new Refused(itemStatus(status.INVALID_ARGUMENT, 'missing entry ID'))
  try {
    return parseEntryId(text)
  } catch {
    // There is no entry with an ID that none can have.
    return new Refused(NOT_FOUND)
  }
}

/** An entry may only federate with a trust domain whose bundle is there (SPIRE's rule; SPIRE calls its breach INTERNAL). */
async function checkFederation(
  { registry, store }: EntryServiceParts,
  trustDomains: readonly TrustDomain[],
): Promise<void> {
  for (const trustDomain of trustDomains) {
    const known = registry.bundle(trustDomain) ?? (await store.bundles.get(trustDomain))
    if (known === undefined)
      throw new SpindleError(
        'precondition_failed',
        `unable to find federated bundle "${trustDomainId(trustDomain)}"`,
      )
  }
}

function createdResult(outcome: Created | Refused, mask: EntryMask | undefined): EntryResult {
  if (outcome instanceof Refused) return { status: outcome.status }
  // It is another entry, of which the asker knows nothing but the ID.
  if (outcome.kind === 'id_taken') return { status: ID_TAKEN }
  const entry = entryMessage(outcome.entry, mask)
  return { status: outcome.kind === 'created' ? ITEM_OK : SIMILAR, entry }
}

function updatedResult(outcome: Updated | Refused, mask: EntryMask | undefined): EntryResult {
  if (outcome instanceof Refused) return { status: outcome.status }
  if (outcome.kind === 'not_found') return { status: naming(UPDATE, NOT_FOUND) }
  if (outcome.kind === 'similar') return { status: naming(UPDATE, SIMILAR) }
  return { status: ITEM_OK, entry: entryMessage(outcome.entry, mask) }
}

function naming(what: string, { code, message }: ItemStatus): ItemStatus {
  return itemStatus(code, `${what}: ${message}`)
}
