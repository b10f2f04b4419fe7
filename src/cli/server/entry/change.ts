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
import { inBatches } from './batches.ts'
import { readEntryData, readIds } from './data.ts'
import { entryOfFlags, needed } from './fields.ts'
import type { EntryFlags } from './fields.ts'
import { entryText } from './print.ts'

export interface EntryResult {
  readonly status?: Status | undefined
  readonly entry?: Entry | undefined
}

export async function createEntries(io: Io, options: ServerOptions & EntryFlags): Promise<void> {
  const schema = BatchCreateEntryResponseSchema
  await changeEntries(io, options, {
    verb: 'create',
    ask: createdBy,
    rendered: (results) =>
      rendered(options.output, { schema, value: create(schema, { results }) }, String),
  })
}

export async function updateEntries(io: Io, options: ServerOptions & EntryFlags): Promise<void> {
  if (options.data === undefined) needed(options.entryId, '--entry-id')
  const schema = BatchUpdateEntryResponseSchema
  await changeEntries(io, options, {
    verb: 'update',
    ask: (server) => async (entries) =>
      (await server.call(EntryService.method.batchUpdateEntry, { entries })).results,
    rendered: (results) =>
      rendered(options.output, { schema, value: create(schema, { results }) }, String),
  })
}

type Ask = (server: AskedServer) => (entries: Entry[]) => Promise<readonly EntryResult[]>

export const createdBy: Ask = (server) => async (entries) =>
  (await server.call(EntryService.method.batchCreateEntry, { entries })).results

interface Change {
  readonly verb: 'create' | 'update'
  readonly ask: Ask
  /** As JSON or YAML. */
  readonly rendered: (results: EntryResult[]) => string
}

/** @throws CommandFailed when one was refused; SpindleError when the server could not be asked for all */
async function changeEntries(
  io: Io,
  options: ServerOptions & EntryFlags,
  change: Change,
): Promise<void> {
  const { verb } = change
  const quiet = options.output !== 'table'
  const asked = await entriesOf(io, options)
  const { results, stopped } = await withServer(options, (server) =>
    inBatches(asked, change.ask(server), (some, answer) => {
      if (!quiet) tell(io, { verb, asked: some, results: answer })
    }),
  )
  if (quiet && (results.length > 0 || stopped === undefined))
    io.out(change.rendered(answered(asked, results)))
  const failed = results.filter((result) => !isDone(result)).length
  if (asked.length > 1 && (failed > 0 || stopped !== undefined))
    io.err(`${results.length - failed} ${verb}d, ${failed} failed\n`)
  if (stopped !== undefined) {
    io.err(stopped.report)
    throw stopped.thrown
  }
  if (failed > 0) throw new CommandFailed(1, `Error: failed to ${verb} one or more entries`)
}

/** With each result an entry, as SPIRE's commands have it: where the server names none, the one that was asked for. */
function answered(asked: readonly Entry[], results: readonly EntryResult[]): EntryResult[] {
  return results.map((result, index) => ({ ...result, entry: result.entry ?? asked[index] }))
}

async function entriesOf(io: Io, flags: EntryFlags): Promise<readonly Entry[]> {
  if (flags.data === undefined) return [entryOfFlags(flags)]
  return await readEntryData(io, flags.data)
}

interface Told {
  readonly verb: 'create' | 'update'
  readonly asked: readonly Entry[]
  readonly results: readonly EntryResult[]
}

function tell(io: Io, { verb, asked, results }: Told): void {
  for (const result of results) if (isDone(result)) io.out(entryText(result.entry!))
  results.forEach((result, index) => {
    if (isDone(result)) return
    io.err(`Failed to ${verb} the following entry (${reasonText(result.status)}):\n`)
    io.err(entryText(asked[index]!))
    // SPIRE does not say which it is.
    if (result.entry !== undefined) io.err(`It is there as Entry ID : ${result.entry.id}\n\n`)
  })
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
  const asked = file === undefined ? [needed(entryId, '--entry-id')] : await readIds(io, file)
  const { results, stopped } = await withServer(options, (server) =>
    inBatches(
      asked,
      async (ids) => (await server.call(EntryService.method.batchDeleteEntry, { ids })).results,
      (_, answer) => {
        if (output !== 'table') return
        for (const { id } of answer.filter(isDone)) io.out(`Deleted entry with ID: ${id}\n`)
        for (const { id, status: of } of answer.filter((result) => !isDone(result)))
          io.err(`Failed to delete entry with ID ${id} (${reasonText(of)})\n`)
      },
    ),
  )
  const done = results.filter(isDone).length
  const failed = results.length - done
  const schema = BatchDeleteEntryResponseSchema
  if (results.length > 0 || stopped === undefined)
    io.out(
      rendered(output, { schema, value: create(schema, { results: [...results] }) }, () =>
        deletedText(done, failed),
      ),
    )
  if (stopped !== undefined) {
    io.err(stopped.report)
    throw stopped.thrown
  }
  if (failed > 0) throw new CommandFailed(1, 'Error: failed to delete one or more entries')
}

function deletedText(done: number, failed: number): string {
  const lead = done === 0 ? '' : '\n\n'
  if (failed === 0) return `${lead}Deleted ${done} entries successfully\n`
  if (done === 0) return `\n\nFailed to delete ${failed} entries\n`
  return `${lead}\n\nDeleted ${done} entries successfully, but failed to delete ${failed} entries\n`
}
