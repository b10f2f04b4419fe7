/** A door with a service behind it that says whom it sees, and clients of every kind. */
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
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
import type {
  Door,
  DoorLimits,
  DoorOptions,
  DoorRefusal,
} from '../../../../src/server/admit/door.ts'
import type { DoorKey } from '../../../../src/server/admit/handshake.ts'
import type { ServerPeer } from '../../../../src/server/admit/peer.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { createPeerVerifier } from '../../../../src/server/admit/verify-peer.ts'
import { serviceDefinition } from '../../../../src/wire/service.ts'
import type { ManualClock } from '../../../fakes/clock.ts'
import { createFleet } from './fleet.ts'
import type { Fleet } from './fleet.ts'

export interface Setting {
  readonly fleet: Fleet
  readonly door: Door
  readonly port: number
  readonly refusals: DoorRefusal[]
  /** Why connections were ended, as they close. */
  readonly ended: (string | undefined)[]
  readonly audited: AuditEvent[]
  /** Calls with this certificate, or none, on a connection of its own. */
  client(key?: DoorKey): (message?: Buffer) => Promise<string>
  /** A TLS connection that speaks no HTTP/2 by itself. */
  tls(options?: ConnectionOptions): TLSSocket
  /** Waits until `refusals` has this many. */
  refused(count: number): Promise<readonly DoorRefusal[]>
}

const described = (peer: ServerPeer): string =>
  peer.kind === 'local' ? 'local' : (peer.svid?.spiffeId ?? 'anonymous')

const definition = serviceDefinition(AdminService)['GetStatus']!

const LATE_MS = 20_000

interface Options {
  readonly limits?: Partial<DoorLimits>
  readonly manual?: ManualClock
  readonly gate?: DoorOptions['gate']
}

export async function setUp(
  t: TestContext,
  { limits = {}, manual, gate = () => undefined }: Options = {},
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
    gate,
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
      return (message) => ask(client, message)
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
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_, reject) => {
        const why = new Error(`${count} refusals did not come`)
        timer = setTimeout(() => reject(why), LATE_MS)
      })
      try {
        while (refusals.length < count)
          await Promise.race([new Promise<void>((resolve) => (wake = resolve)), late])
      } finally {
        clearTimeout(timer)
      }
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

function ask(client: grpc.Client, message?: Buffer): Promise<string> {
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      definition.path,
      message === undefined ? definition.requestSerialize : () => message,
      definition.responseDeserialize as (bytes: Buffer) => GetStatusResponse,
      create(GetStatusRequestSchema),
      { deadline: Date.now() + 20_000 },
      (failure, answer) => {
        if (failure === null) resolve(answer!.version)
        else reject(failure)
      },
    ),
  )
}

/** However it ends. */
export const closing = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()))

export const raw = (t: TestContext, port: number): Socket => {
  const socket = connectTcp(port, '127.0.0.1')
  t.after(() => socket.destroy())
  return socket.on('error', () => undefined).resume()
}
