/** `spindle workload list`: who uses the agent's Workload API. */
import type { Workload } from '#spindle/admin/v1/admin_pb.js'
import { fromNow, table } from '../output.ts'

export function workloadsTable(workloads: readonly Workload[], now: number): string {
  return table(
    [
      'PID',
      'UID',
      'METHOD',
      'STATE',
      'ANSWERS',
      'LAST',
      'EXPIRES',
      'SPIFFE IDS',
      'EXECUTABLE',
      'WHY',
    ],
    workloads.flatMap((workload) =>
      workload.uses.map((use) => [
        workload.pid,
        workload.uid,
        use.method,
        use.state,
        use.answers,
        fromNow(use.sentAt, now),
        fromNow(use.expiresAt, now),
        workload.spiffeIds.join(' '),
        workload.executable,
        use.why,
      ]),
    ),
  )
}
