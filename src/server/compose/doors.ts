/** admit: both ways in, behind one gate. */
import type { Kernel } from '../../agent/accept/kernel.ts'
import type { ConnectionReport } from '../../agent/accept/socket.ts'
import type { ServerConfig } from '../../config/server/server-config.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { StoredBundle } from '../../store/model.ts'
import type { Store } from '../../store/port.ts'
import type { Seldom } from '../../telemetry/seldom.ts'
import { createAdmission } from '../admit/admission.ts'
import type { DoorRefusalReason, DoorReport } from '../admit/door.ts'
import { createDoor } from '../admit/door.ts'
import { openLocalDoor } from '../admit/local-door.ts'
import { createPeerVerifier } from '../admit/verify-peer.ts'
import type { PeerVerifier } from '../admit/verify-peer.ts'
import type { Audit } from '../audit/audit.ts'
import type { Registry } from '../enroll/registry.ts'
import { createStanding } from '../enroll/standing.ts'
import type { Issuing } from '../issue/issuing.ts'
import type { EndedCall } from '../../wire/peer-server.ts'
import type { Way } from '../serve/service.ts'

export interface DoorsParts {
  readonly config: ServerConfig
  readonly clock: Clock
  readonly kernel: Kernel
  readonly uid: number
  readonly store: Pick<Store, 'agents'>
  readonly registry: Registry
  readonly issuing: Pick<Issuing, 'svid'>
  readonly audit: Audit
  /** Told of the end of each call. */
  readonly ended: (call: EndedCall) => void
  /** Told of a connection by TCP that was closed before it was served. */
  readonly refused: (reason: DoorRefusalReason) => void
  /** For what peers cause. */
  readonly seldom: Seldom
}

export interface Doors {
  /** Services are added to each of them before `start`. */
  readonly ways: readonly Way[]
  readonly verifier: PeerVerifier
  /** Resolves to where the TCP door really listens. @throws SpindleError `listen_failed` */
  start(): Promise<string>
  stop(): Promise<void>
}

/** Two streams and some calls of an agent at a time; operators' tools list in parallel. */
const STREAMS_PER_CONNECTION = 256
/** Descriptors kept for the store, files and the admin socket. */
const RESERVED_DESCRIPTORS = 512

export async function openDoors(parts: DoorsParts): Promise<Doors> {
  const { config, clock, kernel, registry, issuing, audit, ended, seldom } = parts
  const verifier = createPeerVerifier({ clock, authorities: authoritiesOf(parts) })
  const standing = createStanding({
    registry,
    agents: parts.store.agents,
    admins: config.admins,
    clock,
  })
  const gate = createAdmission({ verifier, standing, audit })
  const connections = Math.max(64, kernel.descriptors - RESERVED_DESCRIPTORS)
  const door = createDoor({
    listen: config.listen,
    key: issuing.svid.current,
    limits: {
      connections,
      // Behind one address may be a whole fleet, by a balancer or NAT.
      connectionsPerAddress: Math.ceil(connections / 2),
      streamsPerConnection: STREAMS_PER_CONNECTION,
    },
    clock,
    verifier,
    gate,
    ended,
    audit,
    report: doorReport(parts),
  })
  const local = await openLocalDoor({
    kernel,
    clock,
    path: config.admin.socket,
    uid: parts.uid,
    gate,
    ended,
    audit,
    report: localReport(seldom),
  })
  const unsubscribe = issuing.svid.subscribe((key) => door.replaceKey(key))
  return {
    ways: [door, local],
    verifier,
    async start() {
      local.start()
      return await door.start()
    },
    async stop() {
      unsubscribe()
      await Promise.all([door.stop(), local.stop()])
    },
  }
}

/** What the own bundle trusts, as another Map once that changes. */
function authoritiesOf({ config: { trustDomain }, registry }: DoorsParts) {
  let seen: StoredBundle | undefined
  let authorities: ReadonlyMap<TrustDomain, readonly Uint8Array[]> = new Map()
  return () => {
    const bundle = registry.bundle(trustDomain)
    if (bundle === seen) return authorities
    seen = bundle
    const anchors = bundle?.x509Authorities.map(({ certificate }) => certificate) ?? []
    return (authorities = new Map([[trustDomain, anchors]]))
  }
}

function doorReport({ seldom, refused }: Pick<DoorsParts, 'seldom' | 'refused'>): DoorReport {
  return {
    opened: () => undefined,
    closed: () => undefined,
    refused({ reason, address, detail }) {
      refused(reason)
      seldom.warn(reason, { reason, address, detail }, 'connection refused')
    },
  }
}

function localReport(seldom: Seldom): ConnectionReport {
  return {
    opened: () => undefined,
    closed: () => undefined,
    weaklyHeld: () => undefined,
    refused({ reason, detail }) {
      seldom.warn(reason, { reason, detail }, 'connection to the admin socket refused')
    },
  }
}
