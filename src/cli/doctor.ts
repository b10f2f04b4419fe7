/** `spindle doctor`: what is wrong, or will be, and what to do about it. */
import type { Command } from 'commander'
import type { Format, Io } from './io.ts'
import { configOption, formatOption } from './options.ts'

export function addDoctorCommand(program: Command, io: Io): void {
  program
    .command('doctor')
    .description('look at all an agent stands on: machine, files, sockets, the agent itself')
    .addOption(configOption())
    .option('--envoy <file>', "and at an Envoy's configuration, in YAML or JSON")
    .addOption(formatOption())
    .action(
      async (options: { config: string; envoy?: string; output: Format }, command: Command) => {
        const { doctor } = await import('./doctor/doctor.ts')
        const isConfigNamed = command.getOptionValueSource('config') !== 'default'
        await doctor(io, { ...options, isConfigNamed })
      },
    )
}
