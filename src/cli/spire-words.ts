/** Commands of SPIRE's that have another name here, or are not there: whoever types one is told so. */
import type { Command } from 'commander'
import { SpindleError } from '../runtime/errors.ts'
import { CommandFailed } from './io.ts'

const NOT_OFFERED: Readonly<Record<string, string>> = {
  federation:
    'federation is not offered yet; bundles of other trust domains are given with `spindle bundle set`',
  wit: 'WIT-SVIDs are not offered',
}

const RENAMED: Readonly<Record<string, string>> = {
  run: '`spire-server run` is `spindle server` here, and `spire-agent run` is `spindle agent`',
  api: '`api fetch x509` is `spindle workload x509` here, `api fetch jwt` is `spindle workload jwt`, `api validate jwt` is `spindle workload validate`, and `api watch` is `spindle workload watch`',
}

export function addSpireWords(program: Command): void {
  for (const [word, why] of Object.entries(NOT_OFFERED))
    anyWords(program, word).action(() => {
      throw new CommandFailed(1, `spindle: ${why}`)
    })
  for (const [word, what] of Object.entries(RENAMED))
    anyWords(program, word).action(() => {
      throw new SpindleError('usage', what)
    })
}

/** A command that takes whatever comes after it. */
const anyWords = (program: Command, word: string): Command =>
  program
    .command(word, { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .description('a command of SPIRE')
