/** A process by its number, held on to before anything is read about it: how `explain` looks at one that did not call. */
import { SpindleError } from '../../runtime/errors.ts'
import type { Libc } from '../libc.ts'
import type { PeerCredentials, PeerReader } from '../peer-credentials.ts'
import { readStartTime, readStatus } from './process.ts'

/**
 * Opens a pidfd first: what is read afterwards belongs to that process if it still lives then. Release it with
 * `peers.release`.
 * @throws SpindleError `not_found` when there is no such process
 */
export function openProcess(
  libc: Libc,
  peers: PeerReader,
  { pid, procRoot = '/proc' }: { readonly pid: number; readonly procRoot?: string },
): PeerCredentials {
  const pidfd = libc.pidfdOpen(pid)
  if (pidfd < 0) throw new SpindleError('not_found', `there is no process ${pid}`)
  const opened = { pid, pidfd, uid: 0, gid: 0, startTime: '' }
  try {
    const { euid, egid } = readStatus(pid, procRoot)
    const peer = { ...opened, uid: euid, gid: egid, startTime: readStartTime(pid, procRoot) }
    if (peers.alive(peer)) return peer
  } catch {
    // Whatever could not be read, the process is ending.
  }
  peers.release(opened)
  throw new SpindleError('not_found', `process ${pid} has ended`)
}
