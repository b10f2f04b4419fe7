/** The commands of `spindle`, to hold text against. */
import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'
import { withoutSpireFlags } from '../../src/cli/server/spire-flags.ts'

/** The command line, whose commands do nothing. */
export function silentProgram(): Command {
  const program = createProgram({
    out: () => undefined,
    err: () => undefined,
    env: {},
    onSignal: () => () => undefined,
  })
  for (const command of leaves(program)) command.action(() => undefined)
  return program
}

/** Commands that do something: those that have none below them, and the groups that are a command by themselves too. */
export function leaves(command: Command): readonly Command[] {
  const below = command.commands.flatMap(leaves)
  // Only those have options of their own.
  const acts = below.length === 0 || (command.parent !== null && command.options.length > 0)
  return acts ? [command, ...below] : below
}

/** `spindle ca show` */
export function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`
}

export function optionsOf(command: Command): readonly string[] {
  return command.options.flatMap(({ short, long }) => [short, long]).filter((flag) => flag != null)
}

/**
 * What is wrong with a mention such as `spindle sds explain --pid N`: no command is named so, or one of the options is not
 * its own. What a command is given need not be there.
 */
export function mentionFault(program: Command, text: string): string | undefined {
  // SPIRE's flags may be named too.
  const words = ['spindle', ...withoutSpireFlags(text.split(' ').slice(1))]
  let command = program
  for (const word of words.slice(1)) {
    const child = command.commands.find((one) => one.name() === word)
    if (child === undefined) break
    command = child
  }
  const rest = words.slice(nameOf(command).split(' ').length)
  const isGroup = command.commands.length > 0
  if (isGroup && rest.some((word) => !word.startsWith('-'))) return `${text}: no such command`
  const own = [...optionsOf(command), ...optionsOf(program)]
  const strange = rest.find((word) => word.startsWith('-') && !own.includes(word))
  return strange === undefined ? undefined : `${text}: ${nameOf(command)} has no ${strange}`
}
