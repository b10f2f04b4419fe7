import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import type { GetStatusResponse } from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import {
  AdminService,
  GetStatusResponseSchema,
} from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import { systemClock } from '../../../src/runtime/clock.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import type { RpcClient } from '../../../src/wire/client.ts'
import { createRpcClient, createUnixClient } from '../../../src/wire/client.ts'
import type {
  CallCheck,
  EndedCall,
  PeerServer,
  PeerServerOptions,
} from '../../../src/wire/peer-server.ts'
import { createPeerServer } from '../../../src/wire/peer-server.ts'
import { serviceDefinition } from '../../../src/wire/service.ts'
import { statusOf } from '../../../src/wire/status.ts'
import { temporaryFolder } from '../../fakes/folder.ts'

interface Peer {
  readonly pid: number
}

type Call = ServerUnaryCall<unknown, GetStatusResponse>
type Answer = sendUnaryData<GetStatusResponse>

interface Setting {
  readonly transport: PeerServer<Peer>
  readonly path: string
  /** A client on a connection of its own. */
  readonly client: () => RpcClient
  readonly calls: () => number
}

type Service = (call: Call, done: Answer, transport: PeerServer<Peer>) => void

const answerPid: Service = (call, done, { peerOf }) =>
  done(null, create(GetStatusResponseSchema, { pid: peerOf(call).pid }))

/**
 * A server whose GetStatus answers with the pid of the call's peer. `accept` does what an acceptor would with the n-th
 * connection.
 */
async function setUp(
  t: TestContext,
  accept: (transport: PeerServer<Peer>, socket: Socket, count: number) => void,
  answer: Service = answerPid,
  {
    keepaliveMs = 60_000,
    gate,
    ended,
  }: { keepaliveMs?: number } & Pick<PeerServerOptions, 'gate' | 'ended'> = {},
): Promise<Setting> {
  const path = join(temporaryFolder(t), 'socket')
  const transport = createPeerServer<Peer>({
    maxStreamsPerConnection: 4,
    maxReceiveBytes: 1024,
    keepaliveMs,
    keepaliveTimeoutMs: keepaliveMs / 2,
    clock: systemClock,
    ...(gate && { gate }),
    ended,
    excessive: () => undefined,
  })
  let calls = 0
  const definition = serviceDefinition(AdminService)
  transport.server.addService(
    { GetStatus: definition['GetStatus']! },
    {
      GetStatus(call: Call, done: Answer) {
        calls += 1
        answer(call, done, transport)
      },
    },
  )
  let count = 0
  const listener = createServer((socket) => {
    count += 1
    accept(transport, socket, count)
  }).listen(path)
  await once(listener, 'listening')
  t.after(() => {
    transport.close()
    listener.close()
  })
  return {
    transport,
    path,
    calls: () => calls,
    client() {
      const client = createUnixClient(path)
      t.after(() => client.close())
      return client
    },
  }
}

function serving(transport: PeerServer<Peer>, socket: Socket, count: number): void {
  const id = `uds:${count}`
  Object.defineProperty(socket, 'remoteAddress', { value: id })
  transport.serve(socket, id, { pid: 100 + count })
}

const ask = (client: RpcClient, deadlineMs = 20_000): Promise<GetStatusResponse> =>
  client.call(AdminService.method.getStatus, {}, { deadlineMs })

test('PeerServer gives each call the peer of the connection it came on', async (t) => {
  const { client, transport } = await setUp(t, serving)
  const [one, other] = [client(), client()]
  assert.equal((await ask(one)).pid, 101)
  assert.equal(transport.spoke('uds:2'), false)
  assert.equal((await ask(other)).pid, 102)
  assert.equal((await ask(one)).pid, 101)
  assert.deepEqual([transport.spoke('uds:1'), transport.spoke('uds:2')], [true, true])
})

test('PeerServer lets no call of a peer it does not know reach a service', async (t) => {
  const { client, calls } = await setUp(t, (transport, socket) => {
    // Handed over under another id than the socket says.
    Object.defineProperty(socket, 'remoteAddress', { value: 'uds:7' })
    transport.serve(socket, 'uds:1', { pid: 1 })
  })
  await assert.rejects(ask(client()), { code: 'peer_gone', message: 'the caller is not known' })
  assert.equal(calls(), 0)
})

test('PeerServer.refuse answers each call with the reason', async (t) => {
  const { client, calls, transport } = await setUp(t, (server, socket) => {
    Object.defineProperty(socket, 'remoteAddress', { value: 'uds:1' })
    server.refuse(socket, 'uds:1', new SpindleError('peer_refused', 'uid 9 may not'))
  })
  const refused = client()
  for (let call = 0; call < 2; call++)
    await assert.rejects(ask(refused), { code: 'peer_refused', message: 'uid 9 may not' })
  assert.equal(calls(), 0)
  assert.equal(transport.spoke('uds:1'), true)
})

test('PeerServer forgets a connection that closes, and close ends those that are left', async (t) => {
  const sockets: Socket[] = []
  const { client, transport } = await setUp(t, (server, socket, count) => {
    sockets.push(socket)
    serving(server, socket, count)
  })
  await ask(client())
  sockets[0]?.destroy()
  await once(sockets[0]!, 'close')
  assert.equal(transport.spoke('uds:1'), false)
  await ask(client())
  const closed = once(sockets[1]!, 'close')
  transport.close()
  await closed
})

test('PeerServer lets a call through its gate by path and metadata, before any service sees it', async (t) => {
  const paths: string[] = []
  const gate = (path: string): CallCheck => {
    paths.push(path)
    return (metadata) =>
      metadata.get('key').includes('right')
        ? undefined
        : new SpindleError('request_invalid', 'no key')
  }
  const { path, client, calls } = await setUp(t, serving, answerPid, { gate })
  await assert.rejects(ask(client()), { code: 'request_invalid', message: 'no key' })
  assert.equal(calls(), 0)
  const allowed = createRpcClient({ kind: 'unix', path }, { headers: { key: 'right' } })
  t.after(() => allowed.close())
  assert.equal((await ask(allowed)).pid, 102)
  assert.deepEqual([...new Set(paths)], ['/spindle.admin.v1.AdminService/GetStatus'])
})

test('PeerServer asks its gate about the peer of a call, waits for the answer, and lets none through that it cannot check', async (t) => {
  const answers = new Map<number, () => Promise<undefined>>([
    [101, () => Promise.reject(new SpindleError('not_ready', 'the store is away'))],
    [102, () => Promise.reject(new Error('secret inside'))],
    [103, () => new Promise((resolve) => setImmediate(resolve, undefined))],
  ])
  const gate = (_: string, peer: unknown): CallCheck => answers.get((peer as Peer).pid)!
  const { client, calls } = await setUp(t, serving, answerPid, { gate })
  await assert.rejects(ask(client()), { code: 'not_ready', message: 'the store is away' })
  await assert.rejects(ask(client()), {
    code: 'internal',
    message: 'the call could not be checked',
  })
  assert.equal(calls(), 0)
  assert.equal((await ask(client())).pid, 103)
})

test('PeerServer hangs up on a connection whose other end answers nothing, and on no other', async (t) => {
  const { client, path, transport } = await setUp(t, serving, answerPid, { keepaliveMs: 100 })
  const alive = client()
  assert.equal((await ask(alive)).pid, 101)
  // Says hello as HTTP/2 begins, and then nothing more, whatever it is sent.
  const mute = connect(path)
  t.after(() => mute.destroy())
  const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
  mute.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), EMPTY_SETTINGS]))
  mute.on('error', () => undefined).resume()
  await once(mute, 'close', { signal: AbortSignal.timeout(20_000) })
  assert.equal((await ask(alive)).pid, 101, 'on the connection it had')
  assert.equal(transport.spoke('uds:1'), true)
})

test('RpcClient gives back the code and message that the server raised', async (t) => {
  const { client } = await setUp(t, serving, (_, done) =>
    done(statusOf(new SpindleError('limit_reached', 'too much: of it'))),
  )
  await assert.rejects(ask(client()), { code: 'limit_reached', message: 'too much: of it' })
})

test('RpcClient tells nothing of an error the server did not raise on purpose', async (t) => {
  const { client } = await setUp(t, serving, (_, done) =>
    done(statusOf(new Error('secret inside'))),
  )
  await assert.rejects(ask(client()), (thrown: SpindleError) => {
    assert.equal(thrown.code, 'internal')
    assert.doesNotMatch(thrown.message, /secret/)
    return true
  })
})

test('RpcClient gives up at its deadline', async (t) => {
  const { client } = await setUp(t, serving, () => undefined)
  await assert.rejects(ask(client(), 50), { code: 'unreachable' })
})

test('RpcClient says that nothing listens where no socket is', async (t) => {
  const client = createUnixClient(join(temporaryFolder(t), 'none.sock'))
  t.after(() => client.close())
  await assert.rejects(ask(client), { code: 'unreachable', message: /none\.sock does not answer/ })
})

test('PeerServer tells of the end of each call once: answered, refused, or left by its client', async (t) => {
  const told: EndedCall[] = []
  const path = `/${AdminService.typeName}/GetStatus`
  const refusal = new SpindleError('peer_refused', 'not you')
  let [refuses, answers] = [false, true]
  const left = Promise.withResolvers<void>()
  const answer: Service = (call, done, transport) => {
    if (answers) answerPid(call, done, transport)
  }
  const { client } = await setUp(t, serving, answer, {
    gate: () => () => (refuses ? refusal : undefined),
    ended(call) {
      told.push(call)
      if (!answers) left.resolve()
    },
  })
  await ask(client())
  refuses = true
  await assert.rejects(ask(client()), { code: 'peer_refused' })
  ;[refuses, answers] = [false, false]
  await Promise.all([assert.rejects(ask(client(), 50)), left.promise])
  assert.deepEqual(
    told.map((call) => [call.path, call.code, call.isStream]),
    [0, 7, 1].map((code) => [path, code, false]),
  )
  assert(told.every(({ tookMs }) => tookMs >= 0 && tookMs < 20_000))
})
