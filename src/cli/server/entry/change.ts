/** Entries made, replaced and deleted, from flags or from a file, and what became of each in SPIRE's words. */
import { create } from '@bufbuild/protobuf'
import {
  BatchCreateEntryResponseSchema,
  BatchDeleteEntryResponseSchema,
  BatchUpdateEntryResponseSchema,
  Entry as EntryService,
} from '#spire/api/server/entry/v1/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import type { Status } from '#spire/api/types/status_pb.js'
import { status } from '../../../runtime/grpc-status.ts'
import type { Io } from '../../io.ts'
import { CommandFailed } from '../../io.ts'
import { rendered, withServer } from '../ask.ts'
import type { AskedServer } from '../ask.ts'
import type { ServerOptions } from '../options.ts'
import { codeName } from '../text.ts'
import { readEntryData, readIds } from './data.ts'
import { entryOfFlags, needed } from './fields.ts'
import type { EntryFlags } from './fields.ts'
import { entryText } from './print.ts'

/** So many that a message stays well below gRPC's 4 MiB. */
const BATCH = 200

export interface EntryResult {
  readonly status?: Status | undefined
  readonly entry?: Entry | undefined
}

type Change = (server: AskedServer, entries: Entry[]) => Promise<readonly EntryResult[]>

export async function createEntries(io: Io, options: ServerOptions & EntryFlags): Promise<void> {
  const asked = await entriesOf(io, options)
  const results = await withServer(options, (server) => createInBatches(server, asked))
  const schema = BatchCreateEntryResponseSchema
  const value = create(schema, { results: answered(asked, results) })
  if (options.output !== 'table') io.out(rendered(options.output, { schema, value }, String))
  tell(io, { verb: 'create', asked, results, quiet: options.output !== 'table' })
}

export async function updateEntries(io: Io, options: ServerOptions & EntryFlags): Promise<void> {
  if (options.data === undefined) needed(options.entryId, '--entry-id')
  const asked = await entriesOf(io, options)
  const results = await withServer(options, (server) =>
    inBatches(server, asked, async (_, entries) => {
      const answer = await server.call(EntryService.method.batchUpdateEntry, { entries })
      return answer.results
    }),
  )
  const schema = BatchUpdateEntryResponseSchema
  const value = create(schema, { results: answered(asked, results) })
  if (options.output !== 'table') io.out(rendered(options.output, { schema, value }, String))
  tell(io, { verb: 'update', asked, results, quiet: options.output !== 'table' })
}

/** With each result an entry, as SPIRE's commands have it: where the server names none, the one that was asked for. */
function answered(asked: readonly Entry[], results: readonly EntryResult[]): EntryResult[] {
  return results.map((result, index) => ({ ...result, entry: result.entry ?? asked[index] }))
}

async function entriesOf(io: Io, flags: EntryFlags): Promise<readonly Entry[]> {
  if (flags.data === undefined) return [entryOfFlags(flags)]
  return await readEntryData(io, flags.data)
}

export function createInBatches(
  server: AskedServer,
  asked: readonly Entry[],
): Promise<EntryResult[]> {
  return inBatches(server, asked, async (_, entries) => {
    const answer = await server.call(EntryService.method.batchCreateEntry, { entries })
    return answer.results
  })
}

async function inBatches(
  server: AskedServer,
  asked: readonly Entry[],
  change: Change,
): Promise<EntryResult[]> {
  const results: EntryResult[] = []
  for (let at = 0; at < asked.length; at += BATCH)
    results.push(...(await change(server, asked.slice(at, at + BATCH))))
  return results
}

interface Told {
  readonly verb: 'create' | 'update'
  readonly asked: readonly Entry[]
  readonly results: readonly EntryResult[]
  /** The answer was printed in another form: only that something failed is said. */
  readonly quiet: boolean
}

/** @throws CommandFailed when one failed */
function tell(io: Io, { verb, asked, results, quiet }: Told): void {
  const failed = results.filter((result) => !isDone(result))
  if (!quiet) {
    for (const result of results) if (isDone(result)) io.out(entryText(result.entry!))
    results.forEach((result, index) => {
      if (isDone(result)) return
      io.err(`Failed to ${verb} the following entry (${reasonText(result.status)}):\n`)
      io.err(entryText(asked[index]!))
      // SPIRE does not say which it is.
      if (result.entry !== undefined) io.err(`It is there as Entry ID : ${result.entry.id}\n\n`)
    })
  }
  if (failed.length > 0) throw new CommandFailed(1, `Error: failed to ${verb} one or more entries`)
}

export const isDone = ({ status: of }: { readonly status?: Status | undefined }): boolean =>
  of?.code === status.OK

/** `code: NotFound, msg: "entry not found"` */
export function reasonText({ code, message }: Pick<Status, 'code' | 'message'> = MISSING): string {
  return `code: ${codeName(code)}, msg: ${JSON.stringify(message)}`
}

const MISSING = { code: status.UNKNOWN, message: '' }

export async function deleteEntries(
  io: Io,
  options: ServerOptions & { readonly entryId?: string; readonly file?: string },
): Promise<void> {
  const { entryId, file, output } = options
  const ids = file === undefined ? [needed(entryId, '--entry-id')] : await readIds(io, file)
  const { results } = await withServer(options, (server) =>
    server.call(EntryService.method.batchDeleteEntry, { ids: [...ids] }),
  )
  const failed = results.filter((result) => !isDone(result))
  const done = results.filter(isDone)
  const schema = BatchDeleteEntryResponseSchema
  const text = (): string => {
    const deleted = done.map(({ id }) => `Deleted entry with ID: ${id}\n`).join('')
    return `${deleted}${deleted === '' ? '' : '\n\n'}`
  }
  io.out(rendered(output, { schema, value: create(schema, { results }) }, text))
  if (output === 'table') {
    for (const { id, status: of } of failed)
      io.err(`Failed to delete entry with ID ${id} (${reasonText(of)})\n`)
    io.out(deletedText(done.length, failed.length))
  }
  if (failed.length > 0) throw new CommandFailed(1, 'Error: failed to delete one or more entries')
}

function deletedText(done: number, failed: number): string {
  if (failed === 0) return `Deleted ${done} entries successfully\n`
  if (done === 0) return `\n\nFailed to delete ${failed} entries\n`
  return `\n\nDeleted ${done} entries successfully, but failed to delete ${failed} entries\n`
}
