/** `spindle agent`: one agent, from its configuration to the signal that ends it. */
import { startAgent } from '../agent/agent.ts'
import { systemClock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { systemRandom } from '../runtime/random.ts'
import { createLog } from '../telemetry/log.ts'
import type { Io } from './io.ts'
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
  // The one line a supervisor, a test or a person waits for; everything else goes to the log.
  io.out(`${JSON.stringify({ ready: true, pid: process.pid, ...agent.addresses })}\n`)
  const stopReloading = io.onSignal('SIGHUP', () => {
    agent
      .reload()
      .catch((thrown: unknown) => log.error({ error: messageOf(thrown) }, 'reload failed'))
  })
  const signal = await new Promise<string>((resolve) => {
    io.onSignal('SIGTERM', () => resolve('SIGTERM'))
    io.onSignal('SIGINT', () => resolve('SIGINT'))
  })
  log.info({ signal }, 'stopping')
  stopReloading()
  await agent.stop()
}
