import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { toPem, verifyX509Svid } from '../../../src/certs/parse.ts'
import { Agent } from '../../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import { Bundle } from '../../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { PermissionDeniedDetailsSchema } from '../../../src/gen/spire/api/types/status_pb.js'
import { systemClock } from '../../../src/runtime/clock.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import type { CallFault } from '../../../src/wire/call-fault.ts'
import type { SecureClient, SecureClientOptions } from '../../../src/wire/secure-client.ts'
import { createSecureClient } from '../../../src/wire/secure-client.ts'
import { createManualClock, settle } from '../../fakes/clock.ts'
import type { FakeSpireServer } from '../../fakes/spire-server.ts'
import { startSpireServer } from '../../fakes/spire-server.ts'
import { createFleet } from '../server/admit/fleet.ts'

const IN_TIME = { deadlineMs: 10_000 }

function clientOf(
  t: TestContext,
  { address, roots }: Pick<FakeSpireServer, 'address' | 'roots'>,
  options: Partial<SecureClientOptions> = {},
): SecureClient {
  const client = createSecureClient({
    ...address,
    serverName: 'example.org',
    roots: roots.map((root) => toPem(root, 'CERTIFICATE')),
    verify: () => undefined,
    clock: systemClock,
    keepaliveMs: 60_000,
    ...options,
  })
  t.after(() => client.close())
  return client
}

const ask = (client: SecureClient): Promise<unknown> =>
  client.call(Bundle.method.getBundle, {}, IN_TIME)

async function faultOf(call: Promise<unknown>): Promise<CallFault> {
  let fault: CallFault | undefined
  await assert.rejects(call, (thrown) => {
    fault = thrown as CallFault
    return true
  })
  return fault!
}

test('a server is known by its SVID, whatever its host is called; the chain is shown to be judged', async (t) => {
  const server = await startSpireServer(t)
  const shown: string[] = []
  const bundles = new Map([[(await createFleet()).trustDomain, server.roots]])
  const client = clientOf(t, server, {
    host: 'localhost',
    verify: (chain) =>
      void shown.push(verifyX509Svid(chain, bundles, { now: Date.now(), mode: 'strict' })),
  })
  await ask(client)
  assert.deepEqual(shown, ['spiffe://example.org/spire/server'])
})

test('a server that is judged not to be it is not called', async (t) => {
  const server = await startSpireServer(t)
  const client = clientOf(t, server, {
    verify() {
      throw new SpindleError('certificate_invalid', 'it is somebody else')
    },
  })
  const fault = await faultOf(ask(client))
  assert.equal(fault.code, 'certificate_invalid')
  assert.match(fault.message, /it is somebody else/)
  assert.equal(fault.answered, false)
  assert.deepEqual(server.calls, [])
})

test('a server that no root vouches for is not called, and a root alone vouches', async (t) => {
  const server = await startSpireServer(t)
  const other = await createFleet()
  const fault = await faultOf(ask(clientOf(t, { ...server, roots: [other.root] })))
  assert.equal(fault.code, 'certificate_invalid')
  assert.match(fault.message, /no authority of the bundle signed it/)
  assert.deepEqual(server.calls, [])
  const none = await faultOf(ask(clientOf(t, { ...server, roots: [] })))
  assert.equal(none.code, 'certificate_invalid')
})

test('whoever answers is taken where no roots are given', async (t) => {
  const server = await startSpireServer(t)
  await ask(clientOf(t, server, { roots: undefined }))
})

test('a fault says what the server said, with its details, or that nobody is there', async (t) => {
  const server = await startSpireServer(t)
  const client = clientOf(t, server)
  server.denies = 'AGENT_BANNED'
  const denied = await faultOf(client.call(Agent.method.renewAgent, {}, IN_TIME))
  assert.deepEqual([denied.answered, denied.status], [true, 7])
  assert.equal(denied.detail(PermissionDeniedDetailsSchema)?.reason, 4)
  await server.stop()
  const gone = await faultOf(ask(clientOf(t, server)))
  assert.deepEqual([gone.answered, gone.code], [false, 'unreachable'])
  assert.match(gone.message, /^127\.0\.0\.1:\d+ does not answer: ECONNREFUSED$/)
})

test('a server that accepts and says nothing is given up in time', async (t) => {
  const accepted: Socket[] = []
  const silent = createServer((socket) => {
    accepted.push(socket.on('error', () => undefined).resume())
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => silent.close())
  const open = (): Promise<number> =>
    new Promise((resolve) => silent.getConnections((_, count) => resolve(count)))
  const { port } = silent.address() as AddressInfo
  const clock = createManualClock()
  const client = clientOf(t, { address: { host: '127.0.0.1', port }, roots: [] }, { clock })
  const asked = faultOf(client.call(Bundle.method.getBundle, {}, { deadlineMs: 200 }))
  for (let turn = 0; turn < 1_000 && accepted.length === 0; turn++) await settle()
  await clock.advance(200)
  assert.match((await asked).message, /nothing within 0\.2 s/)
  const call = client.bidi(Agent.method.attestAgent, { deadlineMs: 200 })
  const messages = call.messages[Symbol.asyncIterator]()
  const next = faultOf(messages.next())
  await clock.advance(200)
  assert.match((await next).message, /nothing within 0\.2 s/)
  client.close()
  assert.equal(await open(), 1, 'grpc-js goes on to wait for a handshake')
  const over = new Promise<void>((resolve) => accepted[0]?.once('close', () => resolve()))
  await clock.advance(15_000)
  await over
})

test('calls that are under way go on when the client is closed, and end where they are told to', async (t) => {
  const server = await startSpireServer(t)
  server.entries = []
  const underWay = new Set<() => void>()
  const client = clientOf(t, server, { underWay })
  const call = client.bidi(Agent.method.attestAgent)
  const messages = call.messages[Symbol.asyncIterator]()
  const first = messages.next()
  await ask(client)
  client.close()
  assert.equal(underWay.size, 1)
  for (const cancel of underWay) cancel()
  assert.equal((await faultOf(first)).status, 1)
  assert.equal(underWay.size, 0)
})
