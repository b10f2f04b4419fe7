/** SPIRE's Entry service: registrations for operators, and for agents those they may serve. */
import { Entry as EntryService } from '../../../gen/spire/api/server/entry/v1/entry_pb.js'
import type { Entry } from '../../../gen/spire/api/types/entry_pb.js'
import { parseEntryId } from '../../../registration/server-entry.ts'
import type { EntryId, ServerEntry } from '../../../registration/server-entry.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { nextTurn } from '../../../runtime/slices.ts'
import { MOST_A_PAGE } from '../../../store/port.ts'
import { entryMessage } from '../../../wire/spire/entry.ts'
import { wordedStatus } from '../../../wire/status.ts'
import type { ServerPeer } from '../../admit/peer.ts'
import { answerPage } from '../api/page.ts'
import type { ApiService } from '../service.ts'
import { servedDefinition, unaryHandlers } from '../service.ts'
import type { Answers } from '../service.ts'
import { entryChanges } from './changes.ts'
import { readFilter } from './filter.ts'
import type { EntryServiceParts } from './parts.ts'
import { EntrySync } from './sync.ts'
import type { SyncCall } from './sync.ts'

const ENTRIES_A_TURN = 500
const SYNC_PATH = `/${EntryService.typeName}/${EntryService.method.syncAuthorizedEntries.name}`

export function createEntryService(parts: EntryServiceParts): ApiService {
  const { clock, faulted } = parts
  const answers = entryAnswers(parts)
  const syncs = new Set<EntrySync>()
  return {
    addTo(way) {
      way.server.addService(servedDefinition(EntryService), {
        ...unaryHandlers(EntryService, answers, { way, faulted }),
        SyncAuthorizedEntries(call: SyncCall) {
          const peer = way.peerOf(call)
          const sync = new EntrySync(call, {
            clock,
            authorized: () => authorizedEntries(parts, peer),
            ended: () => syncs.delete(sync),
            faulted: (thrown) => faulted(SYNC_PATH, thrown),
          })
          syncs.add(sync)
        },
      })
    },
    endStreams(why) {
      for (const sync of Array.from(syncs)) sync.end(new SpindleError('not_ready', why))
    },
  }
}

function entryAnswers(parts: EntryServiceParts): Answers<typeof EntryService> {
  const { trustDomain, store } = parts
  const { entries } = store
  return {
    async countEntries({ filter }) {
      return { count: await entries.count(readFilter(filter, trustDomain)) }
    },
    async listEntries({ filter: asked, outputMask, ...page }) {
      const filter = readFilter(asked, trustDomain)
      const { items, nextPageToken } = await answerPage(page, {
        most: MOST_A_PAGE,
        async read(one) {
          const read = await entries.list(filter, one)
          return { ...read, items: read.items.map((entry) => entryMessage(entry, outputMask)) }
        },
      })
      return { entries: [...items], nextPageToken }
    },
    async getEntry({ id, outputMask }) {
      const entry = await entries.get(readId(id))
      if (entry === undefined) throw wordedStatus(status.NOT_FOUND, 'entry not found')
      return entryMessage(entry, outputMask)
    },
    ...entryChanges(parts),
    async getAuthorizedEntries({ outputMask }, { peer }) {
      const messages: Entry[] = []
      for (const entry of authorizedEntries(parts, peer)) {
        messages.push(entryMessage(entry, outputMask))
        if (messages.length % ENTRIES_A_TURN === 0) await nextTurn()
      }
      return { entries: messages }
    },
  }
}

/** Those the agent that calls may serve; one that has expired is nobody's, though it is there until it is pruned. */
function authorizedEntries(
  { registry, clock }: EntryServiceParts,
  peer: ServerPeer,
): readonly ServerEntry[] {
  if (peer.kind !== 'remote' || peer.svid === undefined)
    throw wordedStatus(status.PERMISSION_DENIED, 'only an agent has authorized entries')
  const now = clock.now()
  return registry
    .entriesOf(peer.svid.spiffeId)
    .filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
}

function readId(text: string): EntryId {
  if (text === '') throw wordedStatus(status.INVALID_ARGUMENT, 'missing ID')
  try {
    return parseEntryId(text)
  } catch {
    // There is no entry with an ID that none can have.
    throw wordedStatus(status.NOT_FOUND, 'entry not found')
  }
}
