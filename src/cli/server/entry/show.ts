import { create } from '@bufbuild/protobuf'
import {
  Entry as EntryService,
  ListEntriesResponseSchema,
} from '#spire/api/server/entry/v1/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Io } from '../../io.ts'
import type { AskedServer } from '../ask.ts'
import { allPages, askServer, rendered, withServer } from '../ask.ts'
import type { ServerOptions } from '../options.ts'
import { counted } from '../text.ts'
import { filterOf } from './filter.ts'
import type { FilterFlags } from './filter.ts'
import { entriesText, idText } from './print.ts'

const PAGE = 500

export async function showEntries(
  io: Io,
  options: ServerOptions & FilterFlags & { readonly entryId?: string },
): Promise<void> {
  const { entryId, spiffeId, parentId, selector } = options
  if (entryId !== undefined && (spiffeId ?? parentId ?? selector) !== undefined)
    throw new SpindleError('usage', '--entry-id says which: leave the other conditions out')
  const entries = await withServer(options, async (server) =>
    entryId === undefined
      ? await listEntries(server, options)
      : [await server.call(EntryService.method.getEntry, { id: entryId })],
  )
  const value = create(ListEntriesResponseSchema, { entries })
  const message = { schema: ListEntriesResponseSchema, value }
  io.out(rendered(options.output, message, () => entriesText(entries)))
}

/** In the order SPIRE prints them in: by SPIFFE ID, parent, life and selectors. */
export async function listEntries(server: AskedServer, flags: FilterFlags): Promise<Entry[]> {
  const filter = filterOf(flags)
  const entries = await allPages(async (pageToken) => {
    const request = { filter, pageSize: PAGE, pageToken }
    const answer = await server.call(EntryService.method.listEntries, request)
    return { items: answer.entries, next: answer.nextPageToken }
  })
  return entries
    .map((entry) => ({ entry, key: sortKey(entry) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ entry }) => entry)
}

function sortKey({ id, spiffeId, parentId, x509SvidTtl, selectors }: Entry): string {
  const ttl = String(x509SvidTtl).padStart(10, '0')
  const texts = selectors.map(({ type, value }) => `${type}:${value}`)
  return [idText(spiffeId), idText(parentId), ttl, ...texts, id].join('\n')
}

export function countEntries(io: Io, options: ServerOptions & FilterFlags): Promise<void> {
  return askServer(io, options, {
    method: EntryService.method.countEntries,
    request: { filter: filterOf(options) },
    text: ({ count }) => `${counted(count, 'registration entry', 'registration entries')}\n`,
  })
}
