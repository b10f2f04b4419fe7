/** From an accepted TCP connection to one that speaks HTTP/2 in TLS, within limits of number and time. */
import { constants } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer } from 'node:tls'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { toPem } from '../../certs/parse.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { addressKey, plainAddress } from '../audit/address.ts'
import { createPlaces } from './places.ts'

/** The server's own X.509-SVID. */
export interface DoorKey {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** DER, PKCS#8. Secret. */
  readonly pkcs8: Uint8Array
}

export interface Secured {
  readonly socket: TLSSocket
  /** IP address of the client. */
  readonly address: string
  /** What it showed, DER, leaf first, of whatever kind: of the leaf alone it is proven that the client has the key. */
  readonly chain: readonly Uint8Array[]
}

interface HandshakeRefusal {
  readonly reason: 'connection_limit' | 'address_limit' | 'handshake_timeout' | 'handshake_failed'
  readonly address: string
  readonly detail: string
}

export interface HandshakesOptions {
  readonly key: DoorKey
  readonly limits: { readonly connections: number; readonly connectionsPerAddress: number }
  readonly clock: Clock
  /** Returns whether nobody takes its place any more: it has shown who it is. */
  readonly secured: (secured: Secured) => boolean
  readonly refused: (refusal: HandshakeRefusal) => void
}

export interface Handshakes {
  take(socket: Socket): void
  /** The certificate of those that begin from now on. */
  replaceKey(key: DoorKey): void
  /** Takes no more, and ends those that are under way. */
  stop(): void
}

/** A client far away, on a busy host, needs a second. */
const HANDSHAKE_MS = 10_000
/** Longer ones do not come from anywhere we know. */
const MOST_CHAIN = 16

interface Arrival {
  /** Of TLS once that speaks. */
  socket: Socket
  /** Until the handshake is over. */
  readonly name: string
  readonly address: string
  readonly key: string
  timer: Timer | undefined
}

export function createHandshakes(options: HandshakesOptions): Handshakes {
  const { clock } = options
  const underWay = new Map<string, Arrival>()
  const places = createPlaces<Arrival>(options.limits)
  let stopped = false

  /** Of a connection whose handshake is over, one way or the other; undefined: it is over already. */
  const settle = (name: string): Arrival | undefined => {
    const arrival = underWay.get(name)
    underWay.delete(name)
    arrival?.timer?.cancel()
    return arrival
  }
  const fail = (arrival: Arrival | undefined, detail: string): void => {
    if (arrival === undefined) return
    arrival.socket.destroy()
    options.refused({ reason: 'handshake_failed', address: arrival.address, detail })
  }

  /** Another may have to go for it. */
  const hasPlace = (arrival: Arrival): boolean => {
    const { reason, leaves, counts } = places.take(arrival)
    if (reason === undefined) return true
    const detail = `${counts[0]} of ${counts[1]} connections are this address's`
    if (leaves === undefined) options.refused({ reason, address: arrival.address, detail })
    else {
      settle(leaves.name)
      leaves.socket.destroy()
      const why = `it has not shown who it is, and another came: ${detail}`
      options.refused({ reason, address: leaves.address, detail: why })
    }
    return leaves !== undefined
  }

  const server = createServer(secureOptions(options.key))
  server.on('secureConnection', (socket) => {
    // A reset connection must not end the server; HTTP/2 has its own listener for what it needs to know.
    socket.on('error', () => undefined)
    const arrival = settle(nameOf(socket))
    if (arrival === undefined) return void socket.destroy()
    // A client that offers no protocol at all gets this far.
    if (socket.alpnProtocol !== 'h2')
      return fail(arrival, 'the client does not offer HTTP/2 (ALPN)')
    arrival.socket = socket
    const { address } = arrival
    if (options.secured({ socket, address, chain: chainOf(socket) })) places.know(arrival)
  })

  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) =>
    fail(settle(nameOf(socket)), error.code ?? 'unknown'),
  )

  return {
    take(socket) {
      socket.on('error', () => undefined)
      // Gone before it was looked at.
      if (socket.remoteAddress === undefined || stopped) return void socket.destroy()
      const address = plainAddress(socket.remoteAddress)
      const key = addressKey(address)
      const name = nameOf(socket)
      const arrival: Arrival = { socket, name, address, key, timer: undefined }
      if (!hasPlace(arrival)) return void socket.destroy()
      arrival.timer = clock.after(HANDSHAKE_MS, () => {
        settle(name)
        socket.destroy()
        const detail = `no handshake within ${HANDSHAKE_MS / 1000} s`
        options.refused({ reason: 'handshake_timeout', address, detail })
      })
      underWay.set(name, arrival)
      socket.once('close', () => {
        places.leave(arrival)
        fail(settle(name), 'the connection ended in the middle of the handshake')
      })
      server.emit('connection', socket)
    },
    replaceKey: (key) => server.setSecureContext(secureOptions(key)),
    stop() {
      stopped = true
      for (const [name, { socket }] of underWay) {
        settle(name)
        socket.destroy()
      }
    },
  }
}

function secureOptions({ chain, pkcs8 }: DoorKey): TlsOptions {
  return {
    cert: chain.map((der) => toPem(der, 'CERTIFICATE')).join(''),
    key: toPem(pkcs8, 'PRIVATE KEY'),
    // Of no use but to spare OpenSSL the 150 roots it would try: what a client shows is verified by our own rules.
    ca: [],
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['h2'],
    requestCert: true,
    rejectUnauthorized: false,
    // Who resumes a session shows no certificate again, and it might be refused by now.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  }
}

/** Between its own end and ours, an address and a port are one connection. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}|${remotePort}`
}

function chainOf(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  let next: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (next !== undefined && chain.length <= MOST_CHAIN) {
    chain.push(next.raw)
    const issuer: X509Certificate | undefined = next.issuerCertificate
    // A root is its own issuer.
    next = issuer?.raw.equals(next.raw) === true ? undefined : issuer
  }
  return chain
}
