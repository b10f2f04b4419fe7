/** `spindle entry`: the registrations of a fleet. */
import type { Command } from 'commander'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import type { Status } from '#spire/api/types/status_pb.js'
import { status } from '../../runtime/grpc-status.ts'
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts'
import { spiffeIdMessage } from '../../wire/spire/spiffe-id.ts'
import type { Io } from '../io.ts'
import { CommandFailed } from '../io.ts'
import { entryOfFlags } from './entry/fields.ts'
import type { EntryFlags } from './entry/fields.ts'
import { entriesText, entryText } from './entry/print.ts'
import { another, askServer, secondsOf, serverCommand } from './options.ts'
import type { ServerOptions } from './options.ts'

interface ShowOptions extends ServerOptions {
  readonly entryId?: string
  readonly spiffeId?: string
  readonly parentId?: string
}

export function addEntryCommands(program: Command, io: Io): void {
  const entry = program.command('entry').description('who gets which identity')
  entryFlags(serverCommand(entry, 'create', 'make an entry'))
    .option('--node', 'its parent is the server: an alias of the nodes with these selectors')
    .action((options: ServerOptions & EntryFlags) => create(io, options))
  serverCommand(entry, 'show', 'the entries, or those asked for')
    .option('--entry-id <id>', 'only the one with this id')
    .option('--spiffe-id <id>', 'only those of this SPIFFE ID')
    .option('--parent-id <id>', 'only those of this parent')
    .action((options: ShowOptions) => show(io, options))
}

function entryFlags(command: Command): Command {
  return command
    .option('--spiffe-id <id>', 'whom callers are')
    .option('--parent-id <id>', 'who may serve it: an agent, an alias, or another entry')
    .option('--selector <type:value>', 'what callers must have; all of those given', another)
    .option('--entry-id <id>', 'its own id; drawn where it is left out')
    .option('--x509-svid-ttl <seconds>', 'life of its X.509-SVIDs', secondsOf)
    .option('--jwt-svid-ttl <seconds>', 'life of its JWT-SVIDs', secondsOf)
    .option('--federates-with <trust domain>', 'whose bundle it gets too', another)
    .option('--dns <name>', 'a DNS name of its X.509-SVIDs', another)
    .option('--hint <text>', 'what callers with several identities tell them apart by')
    .option('--entry-expiry <seconds>', 'when it ends, in seconds since 1970', secondsOf)
    .option('--admin', 'it may do over TCP what operators do')
    .option('--downstream', 'it is a server below this one')
    .option('--store-svid', 'its SVIDs are for a store of secrets, and for no caller')
    .option('--disable-x509-svid-prefetch', 'agents issue it when it is asked for')
    .option('--jwt-svid-include-jti', 'its JWT-SVIDs have a jti')
}

async function create(io: Io, options: ServerOptions & EntryFlags): Promise<void> {
  let failed = false
  await askServer(io, options, {
    method: EntryService.method.batchCreateEntry,
    request: { entries: [entryOfFlags(options)] },
    table: ({ results }) =>
      results
        .map((result) => {
          failed ||= result.status?.code !== status.OK
          return createdText(result)
        })
        .join(''),
  })
  if (failed) throw new CommandFailed(1)
}

function createdText(result: {
  readonly status?: Status | undefined
  readonly entry?: Entry | undefined
}): string {
  const text = result.entry === undefined ? '' : entryText(result.entry)
  const { code = status.UNKNOWN, message = '' } = result.status ?? {}
  if (code === status.OK) return text
  return `Failed to create the following entry (code: ${nameOf(code)}, msg: "${message}"):\n${text}`
}

/** As SPIRE's commands name them: `AlreadyExists`. */
function nameOf(code: number): string {
  const name = Object.entries(status).find(([, value]) => value === code)?.[0] ?? 'UNKNOWN'
  return name
    .toLowerCase()
    .replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function show(io: Io, options: ShowOptions): Promise<void> {
  const { entryId, spiffeId, parentId } = options
  if (entryId !== undefined)
    return askServer(io, options, {
      method: EntryService.method.getEntry,
      request: { id: entryId },
      table: (answer) => entriesText([answer]),
    })
  const ofId = (text: string | undefined) => text && spiffeIdMessage(parseSpiffeId(text))
  const [bySpiffeId, byParentId] = [ofId(spiffeId), ofId(parentId)]
  return askServer(io, options, {
    method: EntryService.method.listEntries,
    request: { filter: { ...(bySpiffeId && { bySpiffeId }), ...(byParentId && { byParentId }) } },
    table: ({ entries }) => entriesText(entries),
  })
}
