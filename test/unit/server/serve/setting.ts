/** A service of the server's API over a real store and registry, called by gRPC as clients do. */
import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import type { Random } from '../../../../src/runtime/random.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { PeerSvid, ServerPeer } from '../../../../src/server/admit/peer.ts'
import type { Audit, AuditEvent } from '../../../../src/server/audit/audit.ts'
import { openRegistry } from '../../../../src/server/enroll/open-registry.ts'
import type { Registry } from '../../../../src/server/enroll/registry.ts'
import type { ApiService } from '../../../../src/server/serve/service.ts'
import type { SpiffeId, TrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import type { StoreOptions } from '../../../../src/store/open.ts'
import type { KeyedStore, Store } from '../../../../src/store/port.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { placeOf } from '../../../contract/stores.ts'
import type { ManualClock } from '../../../fakes/clock.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { createSeededRandom } from '../../../fakes/random.ts'

/** What services are made of. */
export interface Parts {
  readonly trustDomain: TrustDomain
  readonly clock: ManualClock
  readonly random: Random
  readonly store: Store
  readonly registry: Registry
  readonly audit: Audit
  readonly faulted: (method: string, thrown: unknown) => void
}

type Request<I extends DescMessage> = MessageInitShape<I>

export interface Setting extends Parts {
  readonly service: ApiService
  /** Since it was last looked at. */
  audited(): readonly AuditEvent[]
  readonly faults: unknown[]
  /** Who asks from now on; at first a process of this host. */
  become(peer: ServerPeer): void
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: Request<I>,
  ): Promise<MessageShape<O>>
  /** With a request that is these bytes. */
  callRaw<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: Uint8Array,
  ): Promise<MessageShape<O>>
  open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
  ): grpc.ClientDuplexStream<Request<I>, MessageShape<O>>
}

const LOCAL: ServerPeer = { kind: 'local', uid: 0, pid: 7 }

/** An agent, or whoever else has this SPIFFE ID. */
export function bearer(spiffeId: SpiffeId): ServerPeer {
  const svid: PeerSvid = {
    spiffeId,
    serial: '77',
    notAfter: Date.UTC(2031, 0, 1),
    authorityId: '',
    chain: [],
  }
  return { kind: 'remote', address: '10.0.0.1', svid }
}

export async function setUp(
  t: TestContext,
  make: (parts: Parts) => ApiService,
  engine: StoreOptions['engine'] = { kind: 'sqlite', path: join(temporaryFolder(t), 'store.db') },
): Promise<Setting> {
  const { clock, open } = placeOf(t, engine)
  const random = createSeededRandom(1)
  const log = createLog({ level: 'error', format: 'text', stream: process.stderr, clock })
  const trustDomain = parseTrustDomain('example.org')
  const store = await open()
  const registry = await openRegistry({ store, trustDomain, clock, random, log })
  t.after(() => registry.close())
  let audited: AuditEvent[] = []
  const faults: unknown[] = []
  const parts: Parts = {
    trustDomain,
    clock,
    random,
    store,
    registry,
    audit: { write: (...events) => audited.push(...events) },
    faulted: (_method, thrown) => faults.push(thrown),
  }
  const service = make(parts)
  let peer = LOCAL
  const client = await serve(t, service, () => peer)
  return {
    ...parts,
    service,
    faults,
    audited() {
      const all = audited
      audited = []
      return all
    },
    become(next) {
      peer = next
    },
    call: (method, request) =>
      ask(client, method, toBinary(method.input, create(method.input, request))),
    callRaw: (method, request) => ask(client, method, request),
    open: (method) =>
      client.makeBidiStreamRequest(pathOf(method), writer(method.input), reader(method.output)),
  }
}

function ask<O extends DescMessage>(
  client: grpc.Client,
  method: DescMethodUnary<DescMessage, O>,
  request: Uint8Array,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      pathOf(method),
      (bytes: Uint8Array) => Buffer.from(bytes),
      reader(method.output),
      request,
      (error, answer) => (error === null ? resolve(answer!) : reject(error)),
    )
  })
}

async function serve(
  t: TestContext,
  service: ApiService,
  peerOf: () => ServerPeer,
): Promise<grpc.Client> {
  const server = new grpc.Server()
  service.addTo({ server, peerOf })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.max_receive_message_length': -1,
  })
  t.after(() => {
    client.close()
    server.forceShutdown()
  })
  return client
}

const pathOf = ({ parent, name }: DescMethodUnary | DescMethodBiDiStreaming): string =>
  `/${parent.typeName}/${name}`

const writer =
  <I extends DescMessage>(schema: I) =>
  (request: Request<I>): Buffer =>
    Buffer.from(toBinary(schema, create(schema, request)))

const reader =
  <O extends DescMessage>(schema: O) =>
  (bytes: Buffer): MessageShape<O> =>
    // As plain bytes, which tests compare.
    fromBinary(schema, new Uint8Array(bytes))

/** The parts with a store that is away for what is written of `trustDomain`. */
export function awayFor(parts: Parts, trustDomain: string): Parts {
  const { store } = parts
  const refusing = <K, V>(kept: KeyedStore<K, V>): KeyedStore<K, V>['change'] => {
    return (key, change) =>
      key === trustDomain
        ? Promise.reject(new SpindleError('store_unavailable', 'the disk is full'))
        : kept.change(key, change)
  }
  const bundles = { ...store.bundles, change: refusing(store.bundles) }
  const federation = { ...store.federation, change: refusing(store.federation) }
  return { ...parts, store: { ...store, bundles, federation } }
}
