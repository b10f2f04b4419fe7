/** What it takes of the kernel to know callers, had and tried before anything is served. */
import { openLibc } from '../../os/libc.ts'
import type { Libc } from '../../os/libc.ts'
import { createPeerReader } from '../../os/peer-credentials.ts'
import type { PeerHandle, PeerReader } from '../../os/peer-credentials.ts'
import { selfTest } from '../../os/peer-self-test.ts'
import { forbidInspection, raiseOpenFiles } from '../../os/process/hardening.ts'

export interface Kernel {
  readonly libc: Libc
  readonly peers: PeerReader
  /** How peers are held on to here. */
  readonly handle: PeerHandle
  /** How many descriptors the process may open. */
  readonly descriptors: number
}

/** @throws SpindleError `peer_credentials_unsupported`: callers could not be told apart, so nothing is served. */
export async function openKernel(pidfd: 'required' | 'preferred'): Promise<Kernel> {
  const libc = openLibc()
  forbidInspection(libc)
  const descriptors = raiseOpenFiles(libc)
  const peers = createPeerReader({ libc, pidfd })
  return { libc, peers, handle: await selfTest(peers), descriptors }
}
