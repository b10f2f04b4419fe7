/** An agent that serves the Workload API on a socket of its own and says what it is told to, right or wrong. */
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { DescMethod, MessageInitShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import type { Endpoint } from '../../src/spiffe/endpoint.ts'
import { serviceDefinition } from '../../src/wire/service.ts'
import { temporaryFolder } from './folder.ts'

type Methods = typeof SpiffeWorkloadAPI.method
type StreamName = 'fetchX509SVID' | 'fetchX509Bundles' | 'fetchJWTBundles'
type UnaryName = 'fetchJWTSVID' | 'validateJWTSVID'

export interface FakeStream<M> {
  send(message: M): void
  end(): void
  fail(code: grpc.status, details: string): void
  /** Resolves when the client has gone or was ended. */
  readonly closed: Promise<unknown>
}

type Said = {
  [K in StreamName]?: (stream: FakeStream<MessageInitShape<Methods[K]['output']>>) => void
} & {
  [K in UnaryName]?: (
    request: Record<string, unknown>,
  ) =>
    | MessageInitShape<Methods[K]['output']>
    | { readonly code: grpc.status; details: string }
    | undefined
}

export interface FakeAgent {
  readonly path: string
  readonly endpoint: Endpoint
  /** What it says from now on; a stream or question it has no word for is left unanswered. */
  says: Said
  /** Of each call: the method and what it had as security header. */
  readonly calls: readonly { readonly method: string; readonly header: readonly unknown[] }[]
  /** Connections that were made. */
  readonly connections: number
  start(): Promise<void>
  /** Drops every connection; the path goes. */
  stop(): void
}

/** @param ip to listen there instead of on a socket; the port is a free one */
export async function createFakeAgent(
  t: TestContext,
  says: Said = {},
  ip?: '127.0.0.1' | '::1',
): Promise<FakeAgent> {
  const path = join(temporaryFolder(t), 'agent.sock')
  const calls: { method: string; header: readonly unknown[] }[] = []
  const peers = new Set<string>()
  const target = ip === undefined ? `unix:${path}` : ip === '::1' ? '[::1]:0' : `${ip}:0`
  let server: grpc.Server | undefined
  let port = 0
  const agent: FakeAgent = {
    path,
    get endpoint(): Endpoint {
      return ip === undefined ? { kind: 'unix', path } : { kind: 'tcp', address: ip, port }
    },
    says,
    calls,
    get connections() {
      return peers.size
    },
    async start() {
      server = new grpc.Server()
      server.addService(serviceDefinition(SpiffeWorkloadAPI), {
        FetchX509SVID: (call: Call) => stream(call, 'fetchX509SVID'),
        FetchX509Bundles: (call: Call) => stream(call, 'fetchX509Bundles'),
        FetchJWTBundles: (call: Call) => stream(call, 'fetchJWTBundles'),
        FetchJWTSVID: (call: UnaryCall, done: Done) => unary(call, done, 'fetchJWTSVID'),
        ValidateJWTSVID: (call: UnaryCall, done: Done) => unary(call, done, 'validateJWTSVID'),
      })
      port = await new Promise<number>((resolve, reject) =>
        server!.bindAsync(target, grpc.ServerCredentials.createInsecure(), (thrown, bound) =>
          thrown === null ? resolve(bound) : reject(thrown),
        ),
      )
    },
    stop: () => server?.forceShutdown(),
  }
  const note = (call: grpc.ServerUnaryCall<unknown, unknown> | Call, method: string): void => {
    calls.push({ method, header: call.metadata.get('workload.spiffe.io') })
    peers.add(call.getPeer())
  }
  const stream = (call: Call, name: StreamName): void => {
    note(call, name)
    const method: DescMethod = SpiffeWorkloadAPI.method[name]
    const closed = once(call, 'close').catch(() => undefined)
    agent.says[name]?.({
      send: (message) => void call.write(create(method.output, message as Record<string, unknown>)),
      end: () => call.end(),
      fail: (code, details) =>
        void call.emit('error', { code, details, metadata: new grpc.Metadata() }),
      closed,
    })
  }
  const unary = (call: UnaryCall, done: Done, name: UnaryName): void => {
    note(call, name)
    const answer = agent.says[name]?.(call.request)
    if (answer === undefined) return
    if ('code' in answer) done({ ...answer, metadata: new grpc.Metadata() } as grpc.ServiceError)
    else done(null, create(SpiffeWorkloadAPI.method[name].output, answer))
  }
  await agent.start()
  t.after(() => agent.stop())
  return agent
}

type Call = grpc.ServerWritableStream<unknown, unknown>
type UnaryCall = grpc.ServerUnaryCall<Record<string, unknown>, unknown>
type Done = grpc.sendUnaryData<unknown>
