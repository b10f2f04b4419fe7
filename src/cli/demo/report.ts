/** What the demo says of its checks: a table, and a verdict as its last line. */
import { table } from '../output.ts'

export interface CheckResult {
  readonly name: string
  readonly ok: boolean
  /** One line: what was seen, or why the check failed. */
  readonly detail: string
  readonly ms: number
}

/** `planned`: how many checks there are, run or not. */
export function report(
  results: readonly CheckResult[],
  { planned, totalMs }: { readonly planned: number; readonly totalMs: number },
): string {
  const rows = results.map(({ name, ok, detail, ms }) => [
    name,
    ok ? 'ok' : 'FAILED',
    time(ms),
    oneLine(detail),
  ])
  return `${table(['CHECK', 'RESULT', 'TIME', 'DETAIL'], rows)}\n${verdict(results, planned, totalMs)}\n`
}

function verdict(results: readonly CheckResult[], planned: number, totalMs: number): string {
  if (holds(results, planned)) return `demo: all ${planned} checks hold (${time(totalMs)})`
  const failed = results.filter(({ ok }) => !ok).length
  const missing = planned - results.length
  const faults = [
    ...(failed > 0 ? [`${failed} of ${planned} checks FAILED`] : []),
    ...(missing > 0 ? [`${missing} of ${planned} NOT RUN`] : []),
  ]
  return `demo: ${faults.join(', ')} (${time(totalMs)})`
}

export function holds(results: readonly CheckResult[], planned: number): boolean {
  return results.length === planned && results.every(({ ok }) => ok)
}

/** `48 ms`, `1.2 s`. */
export function time(ms: number): string {
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

function oneLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

/** The last lines of a log, indented below whose it is. */
export function logTail(whose: string, log: string, lines = 15): string {
  const tail = log.trimEnd().split('\n').slice(-lines)
  return `  last lines of ${whose}:\n${tail.map((line) => `    ${line}\n`).join('')}`
}
