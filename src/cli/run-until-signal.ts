/** What a long-running command does once what it runs has started: says so, reads files again on SIGHUP, ends on a signal. */
import { messageOf } from '../runtime/errors.ts'
import type { Log } from '../telemetry/log.ts'
import type { Io } from './io.ts'

export interface Running {
  /** Where it really listens, by the names of the ready line. */
  readonly addresses: Readonly<Record<string, string>>
  reload(): Promise<void>
  stop(): Promise<void>
}

/** Resolves when it was told to end and has. */
export async function runUntilSignal(io: Io, log: Log, running: Running): Promise<void> {
  // The one line a supervisor, a test or a person waits for; everything else goes to the log.
  io.out(`${JSON.stringify({ ready: true, pid: process.pid, ...running.addresses })}\n`)
  const stopReloading = io.onSignal('SIGHUP', () => {
    running
      .reload()
      .catch((thrown: unknown) => log.error({ error: messageOf(thrown) }, 'reload failed'))
  })
  const signal = await new Promise<string>((resolve) => {
    io.onSignal('SIGTERM', () => resolve('SIGTERM'))
    io.onSignal('SIGINT', () => resolve('SIGINT'))
  })
  log.info({ signal }, 'stopping')
  stopReloading()
  await running.stop()
}
