/** An SDS client of the test's own: the test process is the caller, and every byte it is sent is counted. */
import type { MessageShape } from '@bufbuild/protobuf'
import { create, fromBinary } from '@bufbuild/protobuf'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import * as grpc from '@grpc/grpc-js'
import type { Any } from '@bufbuild/protobuf/wkt'
import type { Secret } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '#envoy/service/discovery/v3/discovery_pb.js'
import { SecretDiscoveryService } from '#envoy/service/secret/v3/sds_pb.js'
import { serviceDefinition } from '../../../src/wire/service.ts'
import { SECRET_TYPE_URL } from '../../../src/xds/resource.ts'
import { openConnection } from './connection.ts'
import { eventually } from './rig.ts'

/** One response, in either variant. */
export interface Received {
  readonly nonce: string
  readonly secrets: readonly Secret[]
  /** Delta: the version of each secret; SotW: that of the response. */
  readonly versions: readonly string[]
  readonly removed: readonly string[]
  /** Size of the message. */
  readonly bytes: number
}

export interface Rejection {
  readonly code: number
  readonly message: string
}

export interface SdsStreamClient {
  readonly received: readonly Received[]
  /** Of all messages so far. */
  readonly bytes: number
  /** Set once the stream has ended. */
  readonly ended: grpc.StatusObject | undefined
  /** The first message that is not before `from` and that `wanted` picks. */
  next(wanted?: (message: Received) => boolean, from?: number): Promise<Received>
  subscribe(...names: string[]): void
  /** SotW: as Envoy does it, an empty list of names with the last nonce. Delta: by name. */
  unsubscribe(...names: string[]): void
  ack(message: Received): void
  nack(message: Received, error: Rejection): void
  close(): void
}

/** Takes what comes in place of `received`, where a test has too many streams to keep it all. */
export interface SdsListener {
  readonly message: (message: Received) => void
  readonly ended: (status: grpc.StatusObject) => void
}

export interface SdsClient {
  delta(listener?: SdsListener): SdsStreamClient
  sotw(): SdsStreamClient
  fetch(...names: string[]): Promise<readonly Secret[]>
  /** Cancels what is open. */
  close(): void
}

const DEADLINE_MS = 20_000
const NODE = { id: 'test-client', cluster: 'test', userAgentName: 'spindle-test' }

type Sized<T> = T & { readonly bytes: number }
type DeltaResponse = MessageShape<typeof DeltaDiscoveryResponseSchema>
type SotwResponse = MessageShape<typeof DiscoveryResponseSchema>

/** What a message after the first one says. */
interface Ask {
  readonly resourceNamesSubscribe?: string[]
  readonly resourceNamesUnsubscribe?: string[]
  readonly responseNonce?: string
  readonly errorDetail?: Rejection
}

export function createSdsClient(socket: string): SdsClient {
  const { client, opened, close } = openConnection(socket)
  const methods = serviceDefinition(SecretDiscoveryService)
  const waiting = new grpc.Metadata({ waitForReady: true })
  const open = <Request, Response>(name: string): ClientDuplexStream<Request, Sized<Response>> => {
    const method = methods[name]
    if (method === undefined) throw new TypeError(`no method ${name}`)
    const call = client.makeBidiStreamRequest<Request, Sized<Response>>(
      method.path,
      method.requestSerialize,
      (bytes) => {
        const message = method.responseDeserialize(bytes) as Response & object
        return Object.assign(message, { bytes: bytes.length })
      },
      waiting,
      {},
    )
    return opened(call)
  }
  return {
    delta: (listener) => deltaStream(open('DeltaSecrets'), listener),
    sotw: () => sotwStream(open('StreamSecrets')),
    fetch(...names) {
      const method = methods['FetchSecrets']!
      const request = { node: NODE, typeUrl: SECRET_TYPE_URL, resourceNames: names }
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest<unknown, unknown>(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          create(DiscoveryRequestSchema, request),
          { deadline: Date.now() + DEADLINE_MS },
          (failure, answer) => {
            if (failure !== null) reject(failure)
            else resolve((answer as SotwResponse).resources.map(secretOf))
          },
        )
      })
    },
    close,
  }
}

const secretOf = (resource: Any | undefined): Secret =>
  fromBinary(SecretSchema, resource?.value ?? new Uint8Array())

function deltaStream(
  call: ClientDuplexStream<unknown, Sized<DeltaResponse>>,
  listener?: SdsListener,
): SdsStreamClient {
  let first = true
  const send = (request: Ask): void => {
    const node = first && { node: NODE }
    first = false
    call.write(
      create(DeltaDiscoveryRequestSchema, { typeUrl: SECRET_TYPE_URL, ...node, ...request }),
    )
  }
  const read = ({ nonce, resources, removedResources, bytes }: Sized<DeltaResponse>): Received => ({
    nonce,
    secrets: resources.map(({ resource }) => secretOf(resource)),
    versions: resources.map(({ version }) => version),
    removed: removedResources,
    bytes,
  })
  const common = following(call, read, listener)
  return Object.assign(common, {
    subscribe: (...names: string[]) => send({ resourceNamesSubscribe: names }),
    unsubscribe: (...names: string[]) => send({ resourceNamesUnsubscribe: names }),
    ack: ({ nonce }: Received) => send({ responseNonce: nonce }),
    nack: ({ nonce }: Received, error: Rejection) =>
      send({ responseNonce: nonce, errorDetail: error }),
  })
}

function sotwStream(call: ClientDuplexStream<unknown, Sized<SotwResponse>>): SdsStreamClient {
  let first = true
  let names: string[] = []
  let accepted = ''
  let nonce = ''
  const send = ({ responseNonce = '', errorDetail }: Ask): void => {
    const said = { typeUrl: SECRET_TYPE_URL, resourceNames: names, versionInfo: accepted }
    const node = first && { node: NODE }
    const error = errorDetail !== undefined && { errorDetail }
    first = false
    call.write(create(DiscoveryRequestSchema, { ...said, ...node, responseNonce, ...error }))
  }
  const common = following(call, (message) => ({
    nonce: message.nonce,
    secrets: message.resources.map(secretOf),
    versions: [message.versionInfo],
    removed: [],
    bytes: message.bytes,
  }))
  return Object.assign(common, {
    subscribe(...wanted: string[]) {
      names = [...names, ...wanted]
      send({ responseNonce: nonce })
    },
    unsubscribe() {
      names = []
      send({ responseNonce: nonce })
    },
    ack(message: Received) {
      accepted = message.versions[0] ?? ''
      nonce = message.nonce
      send({ responseNonce: nonce })
    },
    nack(message: Received, error: Rejection) {
      nonce = message.nonce
      send({ responseNonce: nonce, errorDetail: error })
    },
  })
}

function following<Message>(
  call: ClientDuplexStream<unknown, Message>,
  read: (message: Message) => Received,
  listener?: SdsListener,
): Pick<SdsStreamClient, 'received' | 'bytes' | 'ended' | 'next' | 'close'> {
  const received: Received[] = []
  let ended: grpc.StatusObject | undefined
  call.on('data', (message: Message) => {
    if (listener === undefined) received.push(read(message))
    else listener.message(read(message))
  })
  call.on('error', () => undefined)
  call.on('status', (status: grpc.StatusObject) => {
    ended = status
    listener?.ended(status)
  })
  return {
    received,
    get bytes() {
      return received.reduce((sum, { bytes }) => sum + bytes, 0)
    },
    get ended() {
      return ended
    },
    next: (wanted = () => true, from = 0) =>
      eventually('a message on the stream', () => received.slice(from).find(wanted)),
    close: () => call.cancel(),
  }
}
