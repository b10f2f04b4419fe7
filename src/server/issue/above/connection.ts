/** One connection to the server above, with the SVID of the moment, and another once that is or the connection is lost. */
import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { UPSTREAM_DEADLINE_MS } from '../../../authority/server/upstream.ts'
import { toPem, verifyX509Svid } from '../../../certs/parse.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { serverSpiffeId } from '../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { CallFault } from '../../../wire/call-fault.ts'
import { createSecureClient } from '../../../wire/secure-client.ts'
import type { SecureClient } from '../../../wire/secure-client.ts'
import type { X509Svid } from '../../../workload/x509.ts'
import type { OwnIdentity } from './identity.ts'

export interface AboveConnection {
  /** @throws SpindleError */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>>
  close(): void
}

export interface AboveAddress {
  readonly address: { readonly host: string; readonly port: number }
  readonly trustDomain: TrustDomain
  readonly clock: Clock
}

/** Servers of grpc-go end a connection that brings PINGs more often than each 5 min. */
const KEEPALIVE_MS = 330_000

export function createAboveConnection(to: AboveAddress, identity: OwnIdentity): AboveConnection {
  let current: SecureClient | undefined
  const drop = (): void => {
    current?.close()
    current = undefined
  }
  const unsubscribe = identity.svid.subscribe(drop)
  return {
    async call(method, request) {
      const svid = await identity.first()
      const client = (current ??= connect(to, svid))
      try {
        return await client.call(method, request, { deadlineMs: UPSTREAM_DEADLINE_MS })
      } catch (thrown) {
        // grpc-js waits by a plan of its own before it connects again; a new channel connects at once.
        if (thrown instanceof CallFault && !thrown.answered && client === current) drop()
        throw thrown
      }
    },
    close() {
      unsubscribe()
      drop()
    },
  }
}

function connect({ address, trustDomain, clock }: AboveAddress, svid: X509Svid): SecureClient {
  const pem = (der: Uint8Array): string => toPem(der, 'CERTIFICATE')
  return createSecureClient({
    ...address,
    serverName: trustDomain,
    roots: svid.bundle.map(pem),
    key: { chain: svid.chain.map(pem).join(''), key: toPem(svid.privateKey, 'PRIVATE KEY') },
    verify(chain) {
      const bundles = new Map([[trustDomain, svid.bundle]])
      const id = verifyX509Svid(chain, bundles, { now: clock.now(), mode: 'lenient' })
      const server = serverSpiffeId(trustDomain)
      if (id !== server)
        throw new SpindleError('certificate_invalid', `it is ${id}, which is not ${server}`)
    },
    clock,
    keepaliveMs: KEEPALIVE_MS,
  })
}
