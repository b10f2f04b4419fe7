import type { HeldSecret, Sidecar } from '#spindle/admin/v1/admin_pb.js'
import { fromNow, table } from '../output.ts'

export function sidecarsTable(sidecars: readonly Sidecar[], now: number): string {
  return table(
    ['PID', 'UID', 'NODE', 'ENVOY', 'NAME', 'KIND', 'STATE', 'VERSION', 'EXPIRES', 'EXECUTABLE'],
    sidecars.flatMap((sidecar) =>
      sidecar.secrets.map((held) => [
        sidecar.pid,
        sidecar.uid,
        sidecar.nodeId,
        sidecar.envoyVersion,
        held.name,
        held.kind,
        stateOf(held),
        held.version.slice(0, 12),
        fromNow(held.expiresAt, now),
        sidecar.executable,
      ]),
    ),
  )
}

/** `rejected (key_mismatch)` */
export function stateOf(held: HeldSecret): string {
  return held.rejection === '' ? held.state : `${held.state} (${held.rejection})`
}
