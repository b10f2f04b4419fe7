/** A server's registry and its log of changes in a few lines, and agents that speak to the real sync service. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { create, fromBinary } from '@bufbuild/protobuf'
import { SyncRequestSchema, SyncResponseSchema } from '#spindle/sync/v1/sync_pb.js'
import type { SyncRequest, SyncResponse } from '#spindle/sync/v1/sync_pb.js'
import type { RemotePeer } from '../../src/server/admit/peer.ts'
import { createRegistryState, noDifference } from '../../src/server/enroll/registry-state.ts'
import type { Difference } from '../../src/server/enroll/registry-state.ts'
import type { Registry, RegistryChange } from '../../src/server/enroll/registry.ts'
import { createSyncService } from '../../src/server/publish/sync.ts'
import type { SyncPublishing } from '../../src/server/publish/sync.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { Changes, Position, StoreChange } from '../../src/store/port.ts'
import { createLog } from '../../src/telemetry/log.ts'
import type { Encoded } from '../../src/wire/service.ts'
import { createManualClock, settle } from '../fakes/clock.ts'

export interface World {
  readonly registry: Registry
  /** What is committed and not shown yet comes with the next one that is shown. */
  commit(difference: Partial<Difference>, options: { readonly lag: boolean }): void
  /** The log tells of nothing before now. */
  forget(): void
  /** As after a backup: what is there stays, under another name. */
  restore(): void
  open(agent: SpiffeId): AgentEnd
  stop(): void
}

/** The agent's end of a call. */
export class AgentEnd extends EventEmitter {
  readonly peer: RemotePeer
  readonly #receive: (message: SyncResponse) => void
  ended = false

  constructor(agent: SpiffeId, receive: (message: SyncResponse) => void) {
    super()
    const svid = { spiffeId: agent, serial: '1', notAfter: Infinity, authorityId: '', chain: [] }
    this.peer = { kind: 'remote', address: '127.0.0.1', svid }
    this.#receive = receive
    for (const event of ['error', 'cancelled']) this.on(event, () => void (this.ended = true))
  }

  write(part: Encoded, left: () => void): boolean {
    assert(!this.ended)
    this.#receive(fromBinary(SyncResponseSchema, part.bytes))
    setImmediate(left)
    return true
  }

  end(): void {
    this.ended = true
  }

  /** From the agent to the server. */
  say(step: SyncRequest['step']): void {
    this.emit('data', create(SyncRequestSchema, { step }))
  }
}

/** What a door does with a call, without the door. */
export function serveAgents(service: Pick<SyncPublishing, 'addTo'>): (end: AgentEnd) => void {
  let take: (end: AgentEnd) => void = () => assert.fail('no service')
  service.addTo({
    server: {
      addService(_, methods) {
        take = methods['Sync'] as unknown as typeof take
      },
    },
    peerOf: (call) => (call as unknown as AgentEnd).peer,
  })
  return (end) => take(end)
}

export function createWorld(
  trustDomain: TrustDomain,
  received: (agent: SpiffeId, message: SyncResponse) => void,
): World {
  const clock = createManualClock()
  const state = createRegistryState(trustDomain)
  const listeners = new Set<(change: RegistryChange) => void>()
  let log: readonly StoreChange[] = []
  let head: Position = { lineage: 'first', revision: 0 }
  let shown = head
  let floor = 0
  let waiting = noDifference()

  const show = (): void => {
    const change = { ...state.apply(waiting), position: head }
    waiting = noDifference()
    shown = head
    for (const listen of listeners) listen(change)
  }
  const { apply: _apply, keys: _keys, ...lookups } = state
  const registry: Registry = {
    ...lookups,
    get position() {
      return shown
    },
    caughtUp: async () => show(),
    shown: async () => show(),
    refreshed: async () => show(),
    onChange(listen) {
      listeners.add(listen)
      return () => listeners.delete(listen)
    },
    close: async () => undefined,
  }
  const since = async (from: Position, limit: number): Promise<Changes> => {
    const told = changesSince(from, limit)
    // By the time it is heard there may have been more.
    await settle(2)
    return told
  }
  const changesSince = (from: Position, limit: number): Changes => {
    const foreign = from.lineage !== head.lineage || from.revision > head.revision
    if (foreign || from.revision < floor) return { kind: 'start_anew', position: head }
    const rest = log.filter(({ revision }) => revision > from.revision)
    const changes = rest.slice(0, Math.min(limit, 2))
    const more = changes.length < rest.length
    const position = more ? { ...head, revision: changes.at(-1)!.revision } : head
    return { kind: 'changes', changes, position, more }
  }
  const quiet = { write: () => true }
  const service = createSyncService({
    trustDomain,
    clock,
    registry,
    store: { changes: { since }, agents: { change: async () => undefined } },
    verifier: { faultOf: () => undefined },
    audit: { write: () => undefined },
    log: createLog({ level: 'error', format: 'json', stream: quiet, clock }),
  })
  const take = serveAgents(service)
  return {
    registry,
    commit(difference, { lag }) {
      const keys = new Map<string, StoreChange>()
      let { revision } = head
      for (const [field, kind] of [
        ['entries', 'entry'],
        ['agents', 'agent'],
        ['bundles', 'bundle'],
      ] as const)
        for (const [key, value] of difference[field] ?? []) {
          ;(waiting[field] as Map<string, unknown>).set(key, value)
          keys.set(`${kind} ${key}`, { revision: ++revision, kind, key })
        }
      log = [...log.filter(({ kind, key }) => !keys.has(`${kind} ${key}`)), ...keys.values()]
      head = { ...head, revision }
      if (!lag) show()
    },
    forget() {
      floor = head.revision
      log = []
    },
    restore() {
      head = { ...head, lineage: `${head.lineage}'` }
      show()
    },
    open(agent) {
      const end = new AgentEnd(agent, (message) => received(agent, message))
      take(end)
      return end
    },
    stop: () => service.endStreams('the history is over'),
  }
}
