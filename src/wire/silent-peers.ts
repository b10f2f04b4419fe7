/**
 * grpc-js waits without end for a TLS handshake, also after its client was closed: each attempt at a host that accepts connections
 * and says nothing would cost a descriptor for good.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { Clock } from '../runtime/clock.ts'

/** The only public way to the sockets that grpc-js makes (Node: diagnostics_channel, net). */
const SOCKET_CREATED = 'net.client.socket'
/** A server far away, on a busy host, needs a second. */
const SILENT_MS = 15_000

/**
 * Ends connections to `port`, of whatever host, that are made from now on and bring no byte in 15 s: whoever speaks TLS has
 * answered by then.
 */
export function endSilentPeers(port: number, clock: Clock): { close(): void } {
  const created = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    socket.once('connect', () => {
      if (socket.remotePort !== port) return
      const timer = clock.after(SILENT_MS, () => {
        if (socket.bytesRead === 0) socket.destroy(new Error('connect ETIMEDOUT: no TLS handshake'))
      })
      socket.once('close', () => timer.cancel())
    })
  }
  subscribe(SOCKET_CREATED, created)
  return { close: () => void unsubscribe(SOCKET_CREATED, created) }
}
