/** `spindle entry`: the registrations of a fleet. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Io } from '../io.ts'
import type { ImportFlags } from './given.ts'
import type { EntryFlags } from './entry/fields.ts'
import type { FilterFlags } from './entry/filter.ts'
import { another, instantSecondsOf, matchOption, secondsOf, serverCommand } from './options.ts'
import type { ServerOptions } from './options.ts'
import { addServerSocket } from '../server-socket.ts'

export function addEntryCommands(program: Command, io: Io): void {
  const entry = program.command('entry').description('who gets which identity')
  fieldFlags(serverCommand(entry, 'create', 'make an entry, or those of a file'))
    .option('--entry-id <id>', 'its own id; drawn where it is left out')
    .option('--node', 'its parent is the server: an alias of the nodes with these selectors')
    .action(async (options: ServerOptions & EntryFlags) => {
      const { createEntries } = await import('./entry/change.ts')
      await createEntries(io, options)
    })
  fieldFlags(serverCommand(entry, 'update', 'replace an entry, or those of a file'))
    .option('--entry-id <id>', 'which')
    .action(async (options: ServerOptions & EntryFlags) => {
      const { updateEntries } = await import('./entry/change.ts')
      await updateEntries(io, options)
    })
  serverCommand(entry, 'delete', 'delete an entry, or those whose ids are in a file')
    .option('--entry-id <id>', 'which')
    .option('--file <path>', 'JSON with the key ids, a list; - is standard input')
    .action(
      async (options: ServerOptions & { readonly entryId?: string; readonly file?: string }) => {
        const { deleteEntries } = await import('./entry/change.ts')
        await deleteEntries(io, options)
      },
    )
  filterFlags(serverCommand(entry, 'show', 'the entries, or those asked for'))
    .option('--entry-id <id>', 'only the one with this id')
    .action(async (options: ServerOptions & FilterFlags & { readonly entryId?: string }) => {
      const { showEntries } = await import('./entry/show.ts')
      await showEntries(io, options)
    })
  filterFlags(
    serverCommand(entry, 'count', 'how many entries there are, or of those asked for'),
  ).action(async (options: ServerOptions & FilterFlags) => {
    const { countEntries } = await import('./entry/show.ts')
    await countEntries(io, options)
  })
  addFileCommands(entry, io)
}

function addFileCommands(entry: Command, io: Io): void {
  serverCommand(entry, 'import', 'make the entries of a file that are not there yet')
    .argument('[file]', "SPIRE's JSON, or YAML such as entry export writes; - is standard input")
    .option('--data <path>', 'the file, as entry create has it')
    .option('--parent-id <id>', 'the parent of entries that name none, as those of an agent alone')
    .action(async (file: string | undefined, options: ServerOptions & ImportFlags) => {
      const { importEntries } = await import('./entry/import.ts')
      await importEntries(io, file, options)
    })
  filterFlags(
    addServerSocket(
      entry
        .command('export')
        .description("the entries as a file that entry import and SPIRE's entry create -data read"),
    ).addOption(
      new Option('-o, --output <format>', 'how to write it')
        .choices(['json', 'yaml'])
        .default('json'),
    ),
  ).action(
    async (
      options: FilterFlags & Omit<ServerOptions, 'output'> & { readonly output: 'json' | 'yaml' },
    ) => {
      const { exportEntries } = await import('./entry/export.ts')
      await exportEntries(io, options)
    },
  )
}

function fieldFlags(command: Command): Command {
  return command
    .option('--data <path>', 'a file of entries instead of flags; - is standard input')
    .option('--spiffe-id <id>', 'whom callers are')
    .option('--parent-id <id>', 'who may serve it: an agent, an alias, or another entry')
    .option('--selector <type:value>', 'what callers must have; all of those given', another)
    .option('--x509-svid-ttl <seconds>', 'life of its X.509-SVIDs', secondsOf)
    .option('--jwt-svid-ttl <seconds>', 'life of its JWT-SVIDs', secondsOf)
    .option('--federates-with <trust domain>', 'whose bundle it gets too', another)
    .option('--dns <name>', 'a DNS name of its X.509-SVIDs', another)
    .option('--hint <text>', 'what callers with several identities tell them apart by')
    .option('--entry-expiry <seconds>', 'when it ends, in seconds since 1970', instantSecondsOf)
    .option('--admin', 'it may do over TCP what operators do')
    .option('--downstream', 'it is a server below this one')
    .option('--store-svid', 'its SVIDs are for a store of secrets, and for no caller')
    .option('--disable-x509-svid-prefetch', 'agents issue it when it is asked for')
    .option('--jwt-svid-include-jti', 'its JWT-SVIDs have a jti')
}

function filterFlags(command: Command): Command {
  return command
    .option('--spiffe-id <id>', 'only those of this SPIFFE ID')
    .option('--parent-id <id>', 'only those of this parent')
    .option('--selector <type:value>', 'only those with this selector', another)
    .addOption(matchOption('--match-selectors-on <way>', "an entry's selectors"))
    .option('--federates-with <trust domain>', 'only those that get its bundle', another)
    .addOption(matchOption('--match-federates-with-on <way>', 'trust domains'))
    .option('--hint <text>', 'only those of this hint')
    .option('--downstream', 'only servers below this one')
}
