import type { Log } from '../../../telemetry/log.ts'

/** Says what of a server's answer is skipped, once for as long as it is the same. */
export function skippedReport(log: Log): (faults: readonly string[]) => void {
  let said = ''
  return (faults) => {
    const text = faults.join('\n')
    if (text === said) return
    said = text
    for (const fault of faults)
      log.warn({ error: fault }, 'something the server said cannot be used and is skipped')
  }
}
