/** Connections to the server: one with the agent's SVID, which is another once that is, and passing ones without. */
import { toPem } from '../../../certs/parse.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { CallFault } from '../../../wire/call-fault.ts'
import type { SecureClient } from '../../../wire/secure-client.ts'
import { createSecureClient } from '../../../wire/secure-client.ts'
import type { OwnSvid } from './own/svid.ts'
import type { ServerLinkConfig } from '../../../config/link/link-config.ts'
import type { Trust } from './trust.ts'
import { hasLost, verifyServer } from './trust.ts'

export interface Connections {
  /** With the agent's SVID. @throws SpindleError `authority_unavailable` where it has none */
  own(): SecureClient
  /** The next `own()` is a new connection; calls on this one go on. */
  renew(): void
  /** Without a certificate; whoever asks for it closes it. `anyone`: whatever server it is. */
  passing(as: 'server' | 'anyone'): SecureClient
  /** The authority that the certificate of the server led to when it was last looked at. */
  readonly shownAuthority: Uint8Array | undefined
  /** Ends what is under way, too. */
  close(): void
}

/** Servers of grpc-go end a connection that PINGs more often than each 5 min; those of ours do not. */
const SELDOM_MS = 330_000
const OFTEN_MS = 20_000

export function createConnections(options: {
  readonly address: ServerLinkConfig['address']
  readonly trustDomain: TrustDomain
  readonly trust: Trust
  readonly svid: () => OwnSvid | undefined
  /** Whether a call is open for as long as the agent runs, so that the end of a host has to be noticed. */
  readonly holdsStream: () => boolean
  readonly clock: Clock
}): Connections {
  const { address, trustDomain, trust, clock } = options
  let shownAuthority: Uint8Array | undefined
  let current: SecureClient | undefined
  let closed = false
  const underWay = new Set<() => void>()

  const open = (svid: OwnSvid | undefined, as: 'server' | 'anyone'): SecureClient => {
    // As of when it connects: OpenSSL has to find one of `roots`, and this is what is known by then.
    const authorities = (): readonly Uint8Array[] => trust.state.current?.authorities ?? []
    const pem = (der: Uint8Array): string => toPem(der, 'CERTIFICATE')
    return createSecureClient({
      ...address,
      serverName: trustDomain,
      roots: as === 'anyone' ? undefined : authorities().map(pem),
      key: svid && {
        chain: svid.chain.map(pem).join(''),
        key: toPem(svid.pkcs8, 'PRIVATE KEY'),
      },
      verify(chain) {
        shownAuthority = verifyServer(chain, { trustDomain, authorities: authorities(), clock })
      },
      clock,
      keepaliveMs: options.holdsStream() ? OFTEN_MS : SELDOM_MS,
      underWay,
    })
  }
  const renew = (): void => {
    current?.close()
    current = undefined
  }
  const unsubscribe = trust.state.subscribe((now, before) => {
    if (hasLost(before, now)) renew()
  })
  return {
    own() {
      if (closed) throw new SpindleError('authority_unavailable', 'the agent is shutting down')
      const svid = options.svid()
      if (svid === undefined)
        throw new SpindleError('authority_unavailable', 'the agent is not attested')
      return (current ??= watched(open(svid, 'server'), (lost) => {
        // grpc-js waits by a plan of its own before it connects again; a new channel connects at once.
        if (lost === current) renew()
      }))
    },
    renew,
    passing: (as) => open(undefined, as),
    get shownAuthority() {
      return shownAuthority
    },
    close() {
      closed = true
      unsubscribe()
      renew()
      for (const cancel of underWay) cancel()
    },
  }
}

/** `client`, and word of when it has lost its connection. */
function watched(client: SecureClient, lost: (client: SecureClient) => void): SecureClient {
  const look = (thrown: unknown): void => {
    if (thrown instanceof CallFault && !thrown.answered) lost(self)
  }
  const self: SecureClient = {
    async call(method, request, options) {
      try {
        return await client.call(method, request, options)
      } catch (thrown) {
        look(thrown)
        throw thrown
      }
    },
    bidi(method, options) {
      const call = client.bidi(method, options)
      return { ...call, messages: looked(call.messages, look) }
    },
    close: () => client.close(),
  }
  return self
}

async function* looked<T>(
  messages: AsyncIterable<T>,
  look: (thrown: unknown) => void,
): AsyncGenerator<T> {
  try {
    yield* messages
  } catch (thrown) {
    look(thrown)
    throw thrown
  }
}
