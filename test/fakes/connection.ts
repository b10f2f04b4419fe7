import type { Connection, Peer } from '../../src/agent/accept/connection.ts'

/** A connection without a socket. */
export interface FakeConnection extends Connection {
  /** The peer's process ends; the connection stays. */
  end(): void
  readonly destroyedFor: string | undefined
}

export function createFakeConnection(peer: Partial<Peer> = {}): FakeConnection {
  let alive = true
  let destroyedFor: string | undefined
  const listeners: (() => void)[] = []
  return {
    id: 'fake:1',
    peer: { pid: 7, uid: 1001, gid: 1002, startTime: '1000', ...peer },
    since: 0,
    alive: () => alive && destroyedFor === undefined,
    get closed() {
      return destroyedFor !== undefined
    },
    get destroyedFor() {
      return destroyedFor
    },
    onClose: (run) => void listeners.push(run),
    destroy(reason) {
      if (destroyedFor !== undefined) return
      destroyedFor = reason
      for (const run of listeners) run()
    },
    end() {
      alive = false
    },
  }
}
