import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import type { AuditCaller } from '../audit/audit.ts'

/** Who is at the other end of a connection. What it may call is looked at for each call. */
export type ServerPeer = LocalPeer | RemotePeer

/** A process of this host, by the admin socket. */
export interface LocalPeer {
  readonly kind: 'local'
  readonly uid: number
  readonly pid: number
}

export interface RemotePeer {
  readonly kind: 'remote'
  /** IP address. */
  readonly address: string
  /** What it proved to hold the key of; undefined: it showed no certificate. */
  readonly svid: PeerSvid | undefined
}

/** An X.509-SVID of the own trust domain, verified when its connection was made. */
export interface PeerSvid {
  readonly spiffeId: SpiffeId
  /** Decimal, as agents are registered with it. */
  readonly serial: string
  /** ms since the epoch */
  readonly notAfter: number
  /** Of what signed it: hex of its subject key id. */
  readonly authorityId: string
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
}

export function auditCaller(peer: ServerPeer): AuditCaller {
  if (peer.kind === 'local') return { kind: 'local', uid: peer.uid, pid: peer.pid }
  const { address, svid } = peer
  if (svid === undefined) return { kind: 'anonymous', address }
  return { kind: 'svid', spiffeId: svid.spiffeId, serial: svid.serial, address }
}
