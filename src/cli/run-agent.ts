/** `spindle agent`: one agent, from its configuration to the signal that ends it. */
import { startAgent } from '../agent/agent.ts'
import { systemClock } from '../runtime/clock.ts'
import { systemRandom } from '../runtime/random.ts'
import { createLog } from '../telemetry/log.ts'
import type { Io } from './io.ts'
import { runUntilSignal } from './run-until-signal.ts'
import { loadConfig } from './validate.ts'
import { VERSION } from './version.ts'

/** Resolves when the agent has been told to end and has. @throws SpindleError when it cannot start. */
export async function runAgent(io: Io, file: string): Promise<void> {
  const { config, warnings } = await loadConfig(file)
  const log = createLog({
    ...config.log,
    stream: { write: (line) => io.err(line) },
    clock: systemClock,
  })
  for (const warning of warnings) log.warn({ warning }, 'configuration')
  const agent = await startAgent(config, {
    clock: systemClock,
    random: systemRandom,
    log,
    version: VERSION,
  })
  await runUntilSignal(io, log, agent)
}
