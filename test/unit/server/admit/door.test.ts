import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { toPem } from '../../../../src/certs/parse.ts'
import type { GetStatusResponse } from '../../../../src/gen/spindle/admin/v1/admin_pb.js'
import {
  AdminService,
  GetStatusRequestSchema,
  GetStatusResponseSchema,
} from '../../../../src/gen/spindle/admin/v1/admin_pb.js'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { createDoor } from '../../../../src/server/admit/door.ts'
import type { Door, DoorLimits, DoorRefusal } from '../../../../src/server/admit/door.ts'
import type { DoorKey } from '../../../../src/server/admit/handshake.ts'
import type { ServerPeer } from '../../../../src/server/admit/peer.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { createPeerVerifier } from '../../../../src/server/admit/verify-peer.ts'
import { serviceDefinition } from '../../../../src/wire/service.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import type { ManualClock } from '../../../fakes/clock.ts'
import { createFleet } from './fleet.ts'
import type { Fleet } from './fleet.ts'

interface Setting {
  readonly fleet: Fleet
  readonly door: Door
  readonly port: number
  readonly refusals: DoorRefusal[]
  /** Why connections were ended, as they close. */
  readonly ended: (string | undefined)[]
  readonly audited: AuditEvent[]
  /** Calls with this certificate, or none, on a connection of its own. */
  client(key?: DoorKey): () => Promise<string>
  /** A TLS connection that speaks no HTTP/2 by itself. */
  tls(options?: ConnectionOptions): TLSSocket
  /** Waits until `refusals` has this many. */
  refused(count: number): Promise<readonly DoorRefusal[]>
}

const described = (peer: ServerPeer): string =>
  peer.kind === 'local' ? 'local' : (peer.svid?.spiffeId ?? 'anonymous')

const definition = serviceDefinition(AdminService)['GetStatus']!

async function setUp(
  t: TestContext,
  { limits = {}, manual }: { limits?: Partial<DoorLimits>; manual?: ManualClock } = {},
): Promise<Setting> {
  const clock = manual ?? systemClock
  const fleet = await createFleet('example.org', clock.now())
  const refusals: DoorRefusal[] = []
  const ended: (string | undefined)[] = []
  const audited: AuditEvent[] = []
  let wake = (): void => undefined
  const door = createDoor({
    listen: { host: '127.0.0.1', port: 0 },
    key: await fleet.sign('/spire/server'),
    limits: { connections: 30, connectionsPerAddress: 20, streamsPerConnection: 4, ...limits },
    clock,
    verifier: createPeerVerifier({ clock, authorities: () => fleet.authorities }),
    gate: () => undefined,
    audit: { write: (event) => audited.push(event) },
    report: {
      opened: () => undefined,
      closed: (_, reason) => ended.push(reason),
      refused(refusal) {
        refusals.push(refusal)
        wake()
      },
    },
  })
  door.server.addService(
    { GetStatus: definition },
    {
      GetStatus(
        call: grpc.ServerUnaryCall<unknown, GetStatusResponse>,
        done: grpc.sendUnaryData<GetStatusResponse>,
      ) {
        done(null, create(GetStatusResponseSchema, { version: described(door.peerOf(call)) }))
      },
    },
  )
  const address = await door.start()
  const port = Number(address.split(':').at(-1))
  t.after(async () => {
    const stopped = door.stop()
    await manual?.advance(1_000)
    await stopped
  })
  return {
    fleet,
    door,
    port,
    refusals,
    ended,
    audited,
    client(key) {
      const client = new grpc.Client(address, credentials(key), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_http_proxy': 0,
        'grpc.ssl_target_name_override': 'server.test',
      })
      t.after(() => client.close())
      return () => ask(client)
    },
    tls(options = {}) {
      const socket = connect({
        host: '127.0.0.1',
        port,
        servername: 'server.test',
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
        ...options,
      })
      socket.on('error', () => undefined)
      t.after(() => socket.destroy())
      return socket
    },
    async refused(count) {
      while (refusals.length < count) await new Promise<void>((resolve) => (wake = resolve))
      return refusals
    },
  }
}

function credentials(key: DoorKey | undefined): grpc.ChannelCredentials {
  const verify = { rejectUnauthorized: false, checkServerIdentity: () => undefined }
  if (key === undefined) return grpc.credentials.createSsl(null, null, null, verify)
  const cert = key.chain.map((der) => toPem(der, 'CERTIFICATE')).join('')
  const pem = toPem(key.pkcs8, 'PRIVATE KEY')
  return grpc.credentials.createSsl(null, Buffer.from(pem), Buffer.from(cert), verify)
}

function ask(client: grpc.Client): Promise<string> {
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize as (bytes: Buffer) => GetStatusResponse,
      create(GetStatusRequestSchema),
      { deadline: Date.now() + 5_000 },
      (failure, answer) => {
        if (failure === null) resolve(answer!.version)
        else reject(failure)
      },
    ),
  )
}

test('Door tells a call the SPIFFE ID that its connection proved, and one without a certificate that it is nobody', async (t) => {
  const { fleet, client } = await setUp(t)
  assert.equal(await client(await fleet.sign('/spire/agent/x'))(), fleet.id('/spire/agent/x'))
  assert.equal(await client()(), 'anonymous')
})

test('Door answers each call of an expired or foreign certificate UNAUTHENTICATED, with the code and why', async (t) => {
  const { fleet, client, refusals, audited } = await setUp(t)
  const expired = await fleet.sign('/old', { notAfter: Date.now() - 60_000 })
  const foreign = await createFleet('other.org')
  const impostor = await createFleet('example.org')
  const cases = [
    [expired, /^svid_refused: .*has expired/],
    [await foreign.sign('/x'), /^svid_refused: .*no authorities of other\.org/],
    [await impostor.sign('/x'), /^svid_refused: .*no valid path/],
  ] as const
  for (const [key, details] of cases) {
    const call = client(key)
    for (const round of ['first', 'second'])
      await assert.rejects(call(), (failure: grpc.ServiceError) => {
        assert.equal(failure.code, grpc.status.UNAUTHENTICATED, round)
        assert.match(failure.details, details)
        return true
      })
  }
  assert.deepEqual(
    refusals.map(({ reason, address }) => [reason, address]),
    cases.map(() => ['svid_refused', '127.0.0.1']),
  )
  assert.deepEqual(
    audited,
    refusals.map(({ detail, address }) => ({
      event: 'denied',
      caller: { kind: 'anonymous', address },
      reason: 'svid_refused',
      detail,
    })),
  )
})

test('Door takes a new certificate while it runs: connections stay, handshakes see it', async (t) => {
  const { fleet, door, client, tls } = await setUp(t)
  const before = client(await fleet.sign('/a'))
  assert.equal(await before(), fleet.id('/a'))
  const shown = async (): Promise<Buffer | undefined> => {
    const socket = tls()
    await once(socket, 'secureConnect')
    return socket.getPeerX509Certificate()?.raw
  }
  const old = await shown()
  const key = await fleet.sign('/spire/server')
  door.replaceKey(key)
  assert.notDeepEqual(old, key.chain[0])
  assert.deepEqual(await shown(), key.chain[0])
  assert.equal(await before(), fleet.id('/a'))
})

test('Door speaks TLS 1.2 and 1.3 and nothing older, HTTP/2 and nothing else, and resumes no session', async (t) => {
  const { tls, refused, door, fleet } = await setUp(t)
  for (const key of [undefined, await fleet.sign('/spire/server')]) {
    if (key !== undefined) door.replaceKey(key)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = tls({ minVersion: version, maxVersion: version })
      let session = undefined as Buffer | undefined
      first.on('session', (given) => (session = given))
      await once(first, 'secureConnect')
      assert.deepEqual([first.getProtocol(), first.alpnProtocol], [version, 'h2'])
      const second = tls({
        minVersion: version,
        maxVersion: version,
        session: session ?? first.getSession(),
      })
      await once(second, 'secureConnect')
      assert.equal(second.isSessionReused(), false, version)
    }
  }
  const old = tls({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })
  await closing(old)
  assert.equal((await refused(1))[0]?.reason, 'handshake_failed')
  await closing(tls({ ALPNProtocols: ['http/1.1'] }))
  assert.equal((await refused(2))[1]?.reason, 'handshake_failed')
  await closing(tls({ ALPNProtocols: [] }))
  const [, , none] = await refused(3)
  assert.equal(none?.detail, 'the client does not offer HTTP/2 (ALPN)')
})

/** However it ends. */
const closing = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()))

const raw = (t: TestContext, port: number): Socket => {
  const socket = connectTcp(port, '127.0.0.1')
  t.after(() => socket.destroy())
  return socket.on('error', () => undefined).resume()
}

test('Door counts connections from before the handshake until they close, of one address and of all', async (t) => {
  for (const [limits, reason] of [
    [{ connectionsPerAddress: 2 }, 'address_limit'],
    [{ connections: 2 }, 'connection_limit'],
  ] as const) {
    const { client, port, refused, refusals } = await setUp(t, { limits })
    const first = raw(t, port)
    await once(first, 'connect')
    assert.equal(await client()(), 'anonymous')
    await closing(raw(t, port))
    assert.deepEqual(
      (await refused(1)).map((one) => one.reason),
      [reason],
    )
    first.destroy()
    await refused(2)
    assert.equal(refusals[1]?.reason, 'handshake_failed')
    assert.equal(await client()(), 'anonymous')
  }
})

test('Door ends a handshake that does not come to its end, and a connection without a call', async (t) => {
  const manual = createManualClock({ now: Date.now() })
  const { port, refused, tls, ended, client } = await setUp(t, { manual })
  const mute = raw(t, port)
  await once(mute, 'connect')
  const idle = tls()
  await once(idle, 'secureConnect')
  const busy = client()
  assert.equal(await busy(), 'anonymous')
  const closed = [mute, idle.resume()].map(closing)
  await manual.advance(10_000)
  await Promise.all(closed)
  assert.deepEqual(
    (await refused(1)).map((one) => one.reason),
    ['handshake_timeout'],
  )
  assert.deepEqual(ended, ['no call within 10 s'])
  assert.equal(await busy(), 'anonymous')
})

test('Door.start() says listen_failed where the port is taken', async (t) => {
  const { port, fleet } = await setUp(t)
  const second = createDoor({
    listen: { host: '127.0.0.1', port },
    key: await fleet.sign('/spire/server'),
    limits: { connections: 1, connectionsPerAddress: 1, streamsPerConnection: 1 },
    clock: systemClock,
    verifier: { verify: () => assert.fail() },
    gate: () => undefined,
    audit: { write: () => undefined },
    report: { opened: () => undefined, closed: () => undefined, refused: () => undefined },
  })
  await assert.rejects(second.start(), { code: 'listen_failed', message: /EADDRINUSE/ })
  await second.stop()
})
