/** The admin socket of the server: for root and the server's own uid, as the kernel says who calls, from whichever container. */
import type { Kernel } from '../../agent/accept/kernel.ts'
import type { ConnectionReport, LocalSocket } from '../../agent/accept/socket.ts'
import { openSocket } from '../../agent/accept/socket.ts'
import { createPeerReader } from '../../os/peer-credentials.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { PeerServerOptions } from '../../wire/peer-server.ts'
import type { Audit } from '../audit/audit.ts'
import type { ServerPeer } from './peer.ts'

export interface LocalDoorOptions {
  readonly kernel: Pick<Kernel, 'libc'>
  readonly clock: Clock
  readonly path: string
  /** Of the server. */
  readonly uid: number
  readonly gate: NonNullable<PeerServerOptions<ServerPeer>['gate']>
  readonly ended?: PeerServerOptions<ServerPeer>['ended']
  readonly audit: Audit
  readonly report: ConnectionReport
}

/** Operators and the controllers beside the server; scripts that call in parallel. */
const LIMITS = { connectionsPerUid: 128, connections: 256, streamsPerConnection: 256 }

/** @throws SpindleError `socket_unusable` */
export function openLocalDoor(options: LocalDoorOptions): Promise<LocalSocket<ServerPeer>> {
  const { kernel, clock, path, audit, gate, ended, report } = options
  const allowed = new Set([0, options.uid])
  return openSocket<ServerPeer>({
    libc: kernel.libc,
    // The uid is all that is asked, and a controller in another container of the pod has no pid here.
    peers: createPeerReader({ libc: kernel.libc, pidfd: 'preferred', outsiders: true }),
    clock,
    limits: LIMITS,
    path,
    mode: 0o600,
    folderMode: 0o700,
    gate,
    ended,
    report,
    welcome({ peer: { uid, pid } }) {
      const peer = { kind: 'local', uid, pid } as const
      if (allowed.has(uid)) return peer
      const detail = `uid ${uid} is not one of those that may use ${path}`
      audit.write({ event: 'denied', caller: peer, reason: 'peer_refused', detail })
      return new SpindleError('peer_refused', detail)
    },
  })
}
