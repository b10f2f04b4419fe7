/** `spindle bundle`: the server's own trust bundle, and those of other trust domains that it was given. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Io } from '../io.ts'
import type { DeleteMode, FormatOptions } from './given.ts'
import { serverCommand } from './options.ts'
import type { ServerOptions } from './options.ts'

const formatOption = (): Option =>
  new Option('--format <format>', 'of the bundle itself').choices(['pem', 'spiffe']).default('pem')

export function addBundleCommands(program: Command, io: Io): void {
  const bundle = program.command('bundle').description('trust bundles of the server')
  serverCommand(bundle, 'show', "the server's own bundle")
    .addOption(formatOption())
    .action(async (options: FormatOptions) => {
      const { showBundle } = await import('./bundle/show.ts')
      await showBundle(io, options)
    })
  serverCommand(bundle, 'list', 'the bundles of other trust domains')
    .option('--id <trust domain>', 'only that of this one')
    .addOption(formatOption())
    .action(async (options: FormatOptions & { readonly id?: string }) => {
      const { listBundles } = await import('./bundle/show.ts')
      await listBundles(io, options)
    })
  serverCommand(bundle, 'count', 'how many bundles there are').action(
    async (options: ServerOptions) => {
      const { countBundles } = await import('./bundle/show.ts')
      await countBundles(io, options)
    },
  )
  serverCommand(bundle, 'set', 'make or replace the bundle of another trust domain')
    .requiredOption('--id <trust domain>', 'whose')
    .option('--path <file>', 'the bundle (default: standard input)')
    .addOption(formatOption())
    .action(async (options: FormatOptions & { readonly id: string; readonly path?: string }) => {
      const { setBundle } = await import('./bundle/change.ts')
      await setBundle(io, options)
    })
  serverCommand(bundle, 'delete', 'delete the bundle of another trust domain')
    .requiredOption('--id <trust domain>', 'whose')
    .addOption(
      new Option('--mode <mode>', 'what becomes of entries that federate with it')
        .choices(['restrict', 'dissociate', 'delete'])
        .default('restrict'),
    )
    .action(async (options: ServerOptions & { readonly id: string; readonly mode: DeleteMode }) => {
      const { deleteBundle } = await import('./bundle/change.ts')
      await deleteBundle(io, options)
    })
}
