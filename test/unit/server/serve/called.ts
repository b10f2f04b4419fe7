/** Calls of a service of the server as a door hands them to it, without one. */
import { create, fromBinary } from '@bufbuild/protobuf'
import type { DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import type { ServerPeer } from '../../../../src/server/admit/peer.ts'
import type { ApiService, Way } from '../../../../src/server/serve/service.ts'
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts'
import { Encoded } from '../../../../src/wire/service.ts'

type Handler = (call: unknown, done: (failure: unknown, value: unknown) => void) => void

export const LOCAL: ServerPeer = { kind: 'local', uid: 0, pid: 1 }

/** The bearer of an X.509-SVID with this path. */
export function bearer(path: string, address = '192.0.2.1'): ServerPeer {
  const spiffeId = parseSpiffeId(`spiffe://example.org${path}`)
  const svid = { spiffeId, serial: '77', notAfter: 2 ** 50, authorityId: '', chain: [] }
  return { kind: 'remote', address, svid }
}

/** `call(Service.method.x, request, peer)` resolves to the answer, or rejects with a Failure. */
export function callsOf(service: ApiService) {
  const handlers = new Map<string, Handler>()
  let peer: ServerPeer = LOCAL
  service.addTo({
    server: {
      addService(_: unknown, added: object) {
        for (const [name, handler] of Object.entries(added)) handlers.set(name, handler as Handler)
      },
    } as Way['server'],
    peerOf: () => peer,
  })
  return <D extends DescService['methods'][number]>(
    method: D,
    request: MessageInitShape<D['input']>,
    by: ServerPeer = LOCAL,
  ): Promise<MessageShape<D['output']>> =>
    new Promise((resolve, reject) => {
      peer = by
      const message = create(method.input, request)
      const call = { request: message, getAuthContext: () => undefined, on: () => undefined }
      handlers.get(method.name)?.(call, (failure, value) => {
        if (failure) reject(Object.assign(new Error('the call failed'), failure))
        else
          resolve(
            (value instanceof Encoded
              ? fromBinary(method.output, value.bytes)
              : value) as MessageShape<D['output']>,
          )
      })
    })
}
