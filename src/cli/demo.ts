/** `spindle demo`: what a stranger sees in two minutes. */
import type { Command } from 'commander'
import type { Io } from './io.ts'

export function addDemoCommand(program: Command, io: Io): void {
  program
    .command('demo')
    .description(
      'run an agent, an API and its clients behind real Envoys, and check what must hold',
    )
    .option('--stay', 'keep everything running and print the commands to try next', false)
    .action(async (options: { stay: boolean }) => {
      const { runDemo } = await import('./demo/demo.ts')
      await runDemo(io, options)
    })
}
