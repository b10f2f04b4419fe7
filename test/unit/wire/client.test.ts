import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { WatchSidecarsResponse } from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import {
  AdminService,
  WatchSidecarsResponseSchema,
} from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import { systemClock } from '../../../src/runtime/clock.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { createUnixClient } from '../../../src/wire/client.ts'
import { createPeerServer } from '../../../src/wire/peer-server.ts'
import { serviceDefinition } from '../../../src/wire/service.ts'
import { statusOf } from '../../../src/wire/status.ts'
import { temporaryFolder } from '../../fakes/folder.ts'

type Call = ServerWritableStream<unknown, WatchSidecarsResponse>

const { watchSidecars } = AdminService.method

/** A server that does `answer` with each WatchSidecars. */
async function setUp(t: TestContext, answer: (call: Call) => void) {
  const path = join(temporaryFolder(t), 'socket')
  const transport = createPeerServer<object>({
    maxStreamsPerConnection: 4,
    maxReceiveBytes: 1024,
    keepaliveMs: 60_000,
    keepaliveTimeoutMs: 30_000,
    clock: systemClock,
    excessive: () => undefined,
  })
  const definition = serviceDefinition(AdminService)
  transport.server.addService(
    { WatchSidecars: definition['WatchSidecars']! },
    { WatchSidecars: answer },
  )
  const lose: (() => void)[] = []
  const listener = createServer((socket) => {
    lose.push(() => socket.destroy())
    Object.defineProperty(socket, 'remoteAddress', { value: 'one' })
    transport.serve(socket, 'one', {})
  }).listen(path)
  await once(listener, 'listening')
  const client = createUnixClient(path)
  t.after(() => {
    client.close()
    transport.close()
    listener.close()
  })
  return { client, loseConnection: () => lose.forEach((end) => end()) }
}

const message = (pid: number): WatchSidecarsResponse =>
  create(WatchSidecarsResponseSchema, { sidecars: [{ pid }] })

test('RpcClient.stream yields each message and ends as the server does', async (t) => {
  const { client } = await setUp(t, (call) => {
    for (const pid of [1, 2, 3]) call.write(message(pid))
    call.end()
  })
  const pids: number[] = []
  for await (const { sidecars } of client.stream(
    watchSidecars,
    {},
    { signal: new AbortController().signal },
  ))
    pids.push(sidecars[0]?.pid ?? 0)
  assert.deepEqual(pids, [1, 2, 3])
})

test('RpcClient.stream is over, without an error, once its signal aborts, and the server is told', async (t) => {
  let hungUp: Promise<unknown> | undefined
  const { client } = await setUp(t, (call) => {
    hungUp = once(call, 'cancelled')
    call.write(message(1))
  })
  const abort = new AbortController()
  let count = 0
  for await (const _ of client.stream(watchSidecars, {}, { signal: abort.signal })) {
    count += 1
    abort.abort()
  }
  assert.equal(count, 1)
  await hungUp
  for await (const _ of client.stream(watchSidecars, {}, { signal: abort.signal }))
    assert.fail('asked with a signal that is aborted already')
})

test('RpcClient.stream tells the server when its reader stops', async (t) => {
  let hungUp: Promise<unknown> | undefined
  const { client } = await setUp(t, (call) => {
    hungUp = once(call, 'cancelled')
    call.write(message(1))
  })
  for await (const _ of client.stream(watchSidecars, {}, { signal: new AbortController().signal }))
    break
  await hungUp
})

test('RpcClient.stream throws the error of the server, and unreachable when the connection is lost', async (t) => {
  const take = async (client: ReturnType<typeof createUnixClient>, each?: () => void) => {
    for await (const _ of client.stream(
      watchSidecars,
      {},
      { signal: new AbortController().signal },
    ))
      each?.()
  }
  const refused = await setUp(
    t,
    (call) =>
      void call.emit('error', statusOf(new SpindleError('limit_reached', 'too many watch'))),
  )
  await assert.rejects(take(refused.client), { code: 'limit_reached', message: 'too many watch' })
  const lost = await setUp(t, (call) => void call.write(message(1)))
  await assert.rejects(
    take(lost.client, () => lost.loseConnection()),
    { code: 'unreachable' },
  )
  const none = createUnixClient(join(temporaryFolder(t), 'none'))
  t.after(() => none.close())
  await assert.rejects(take(none), { code: 'unreachable' })
})
