import type { AfterConfig } from '../config/files/files-config.ts'
import { signalByPidFile } from '../os/program/pid-file.ts'
import { LONGEST_LINE, runCommand } from '../os/program/run-command.ts'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import { shownText } from '../runtime/shown-text.ts'
import type { Log } from '../telemetry/log.ts'

/** Of one run, in the log. */
const MOST_LINES = 100

/**
 * What `after` of the configuration names, as something to do.
 * @returns a function that throws SpindleError `after_failed`
 */
export function actionOf(
  config: AfterConfig,
  { clock, log, uid }: { readonly clock: Clock; readonly log: Log; readonly uid: number },
): (signal: AbortSignal) => Promise<void> {
  if ('signal' in config) {
    const { name, pidFile } = config.signal
    return async () => {
      const pid = signalByPidFile(pidFile, { name, uid })
      log.info({ signal: name, pid }, 'process signalled')
    }
  }
  const { command, deadlineMs } = config
  const [program = ''] = command
  return async (signal) => {
    const start = clock.monotonic()
    const { fault, linesLeftOut } = await runCommand(command, {
      clock,
      deadlineMs,
      signal,
      onLine: (line) => log.info({ program, line: shownText(line, LONGEST_LINE) }, 'command said'),
      mostLines: MOST_LINES,
    })
    if (linesLeftOut > 0) log.info({ program, linesLeftOut }, 'command said more')
    if (fault !== undefined) throw new SpindleError('after_failed', `${program} ${fault}`)
    log.info({ program, ms: Math.round(clock.monotonic() - start) }, 'command run')
  }
}
