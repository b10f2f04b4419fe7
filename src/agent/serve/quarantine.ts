/**
 * Content a caller has rejected. Envoy acknowledges rejected bytes when it sees them again, without using them, so they
 * are not sent again, on no stream and no connection of the process, until the content changes.
 */
import type { Peer } from '../accept/connection.ts'

export interface Quarantine {
  /** The versions `peer` has rejected; live: later additions show. */
  of(peer: Peer): ReadonlySet<string>
  add(peer: Peer, versions: readonly string[]): void
  /** Processes with something in quarantine. */
  readonly size: number
}

/** A pid and its start time name one process for as long as the host is up. */
const processOf = (peer: Peer): string => `${peer.pid}:${peer.startTime}`

const PROCESSES = 4096
/** A process that rejects everything is not remembered without end: its oldest rejections go first. */
const VERSIONS = 256

export function createQuarantine(): Quarantine {
  const rejected = new Map<string, Set<string>>()
  const none: ReadonlySet<string> = new Set()
  return {
    // Asked for each secret that is sent, and mostly by nobody who rejected any.
    of: (peer) => (rejected.size === 0 ? none : (rejected.get(processOf(peer)) ?? none)),
    add(peer, versions) {
      if (versions.length === 0) return
      const key = processOf(peer)
      const known = rejected.get(key) ?? new Set<string>()
      rejected.delete(key)
      rejected.set(key, known)
      for (const version of versions) known.add(version)
      dropOldest(known, VERSIONS)
      dropOldest(rejected, PROCESSES)
    },
    get size() {
      return rejected.size
    },
  }
}

function dropOldest(from: Set<string> | Map<string, unknown>, limit: number): void {
  for (const oldest of from.keys()) {
    if (from.size <= limit) return
    from.delete(oldest)
  }
}
