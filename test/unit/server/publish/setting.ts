/** A door with the sync service over a registry of the test's own, and agents that speak the wire. */
import type { TestContext } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { toPem } from '../../../../src/certs/parse.ts'
import type { SyncResponse } from '../../../../src/gen/spindle/sync/v1/sync_pb.js'
import { SyncRequestSchema, SyncService } from '../../../../src/gen/spindle/sync/v1/sync_pb.js'
import { createAdmission } from '../../../../src/server/admit/admission.ts'
import { createDoor } from '../../../../src/server/admit/door.ts'
import type { DoorKey } from '../../../../src/server/admit/handshake.ts'
import { createPeerVerifier } from '../../../../src/server/admit/verify-peer.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { createStanding } from '../../../../src/server/enroll/standing.ts'
import { createSyncService } from '../../../../src/server/publish/sync.ts'
import type { SyncPublishing } from '../../../../src/server/publish/sync.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { Encoded, serviceDefinition } from '../../../../src/wire/service.ts'
import { agent as agentValue } from '../../../fakes/store-values.ts'
import { createFleet } from '../admit/fleet.ts'
import type { Fleet } from '../admit/fleet.ts'
import { setUp as setUpRegistry } from '../enroll/setting.ts'
import type { Setting as RegistrySetting } from '../enroll/setting.ts'

type Request = NonNullable<
  Extract<MessageInitShape<typeof SyncRequestSchema>, { $typeName?: undefined }>['step']
>

export interface Applying {
  readonly x509AuthoritiesInUse?: string[]
  readonly jwtAuthoritiesInUse?: string[]
  readonly moreX509AuthoritiesInUse?: boolean
}

/** The agent's end of a call. */
export interface AgentCall {
  send(step: Request): void
  /** A message of these bytes. */
  raw(bytes: Buffer): void
  open(resumeToken?: Uint8Array, agentVersion?: string): void
  applied(resumeToken: Uint8Array, more?: Applying): void
  /** The next message. @throws the status the call ended with */
  next(): Promise<SyncResponse>
  /** All parts of the next round. */
  round(): Promise<readonly SyncResponse[]>
  /** Messages that have come and were not taken. */
  readonly waiting: number
  ended(): Promise<grpc.StatusObject>
  /** Says that it has said all. */
  finish(): void
  cancel(): void
}

export interface Setting extends RegistrySetting {
  readonly fleet: Fleet & {
    /** From now on the server trusts nobody. */
    distrust(): void
  }
  readonly service: SyncPublishing
  readonly audited: AuditEvent[]
  /** An attested agent with an SVID of this serial. */
  attest(path: string, serial?: number): Promise<DoorKey>
  /** A call on a connection of its own. */
  call(key: DoorKey): AgentCall
}

const definition = serviceDefinition(SyncService)['Sync']!

export async function setUp(t: TestContext): Promise<Setting> {
  const registrySetting = await setUpRegistry(t)
  const { clock, registry, store, lines } = registrySetting
  const fleet = await createFleet('example.org', clock.now())
  const audited: AuditEvent[] = []
  const audit = { write: (event: AuditEvent) => void audited.push(event) }
  const log = createLog({
    level: 'debug',
    format: 'json',
    stream: { write: (line: string) => lines.push(line) },
    clock,
  })
  let authorities: Fleet['authorities'] = fleet.authorities
  const verifier = createPeerVerifier({ clock, authorities: () => authorities })
  const standing = createStanding({ registry, agents: store.agents, admins: [], clock })
  const door = createDoor({
    listen: { host: '127.0.0.1', port: 0 },
    key: await fleet.sign('/spire/server'),
    limits: { connections: 30, connectionsPerAddress: 30, streamsPerConnection: 100 },
    clock,
    verifier,
    gate: createAdmission({ verifier, standing, audit }),
    audit,
    report: { opened() {}, closed() {}, refused() {} },
  })
  const service = createSyncService({
    trustDomain: fleet.trustDomain,
    clock,
    registry,
    store,
    verifier,
    audit,
    log,
  })
  service.addTo(door)
  const address = await door.start()
  t.after(async () => {
    service.endStreams('the test is over')
    const stopped = door.stop()
    await clock.advance(1_000)
    await stopped
  })
  return {
    ...registrySetting,
    fleet: { ...fleet, distrust: () => void (authorities = new Map()) },
    service,
    audited,
    async attest(path, serial = 77) {
      const expiresAt = clock.now() + 1_800_000
      await store.agents.change(fleet.id(path), (known) => ({
        ...(known ?? agentValue(path)),
        serial: String(serial),
        expiresAt,
      }))
      await registry.caughtUp()
      return await fleet.sign(path, { serial })
    },
    call(key) {
      const client = new grpc.Client(address, credentials(key), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_http_proxy': 0,
        'grpc.ssl_target_name_override': 'server.test',
      })
      t.after(() => client.close())
      return agentCall(client)
    },
  }
}

/** Resolves once the service says so. */
export async function becomes(service: SyncPublishing, there: () => boolean): Promise<void> {
  let wake = (): void => undefined
  const stop = service.onProgress(() => wake())
  const deadline = setTimeout(() => wake(), 5_000)
  const end = performance.now() + 5_000
  while (!there() && performance.now() < end) await new Promise<void>((resolve) => (wake = resolve))
  clearTimeout(deadline)
  stop()
  if (!there()) throw new Error('it did not become so')
}

function agentCall(client: grpc.Client): AgentCall {
  const stream = client.makeBidiStreamRequest(
    definition.path,
    definition.requestSerialize,
    definition.responseDeserialize,
  ) as grpc.ClientDuplexStream<unknown, SyncResponse>
  const messages: SyncResponse[] = []
  let status: grpc.StatusObject | undefined
  let wake = (): void => undefined
  stream.on('data', (message: SyncResponse) => {
    messages.push(message)
    wake()
  })
  stream.on('error', () => undefined)
  stream.on('status', (ended: grpc.StatusObject) => {
    status = ended
    wake()
  })
  const until = async (there: () => boolean, what: string): Promise<void> => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      wake()
    }, 5_000)
    while (!there() && !late) await new Promise<void>((resolve) => (wake = resolve))
    clearTimeout(timer)
    if (!there()) throw new Error(`${what} did not come`)
  }
  const send = (step: Request): void => void stream.write(create(SyncRequestSchema, { step }))
  const next = async (): Promise<SyncResponse> => {
    await until(() => messages.length > 0 || status !== undefined, 'a message')
    const message = messages.shift()
    if (message !== undefined) return message
    throw Object.assign(new Error(status!.details), status)
  }
  return {
    send,
    raw: (bytes) => void stream.write(new Encoded(bytes)),
    open: (resumeToken = Buffer.alloc(0), agentVersion = '') =>
      send({ case: 'open', value: { resumeToken, agentVersion } }),
    applied: (resumeToken, more = {}) => send({ case: 'applied', value: { resumeToken, ...more } }),
    next,
    async round() {
      const parts = [await next()]
      while (!parts.at(-1)!.complete) parts.push(await next())
      return parts
    },
    get waiting() {
      return messages.length
    },
    async ended() {
      await until(() => status !== undefined, 'the end')
      return status!
    },
    finish: () => stream.end(),
    cancel: () => stream.cancel(),
  }
}

function credentials(key: DoorKey): grpc.ChannelCredentials {
  const cert = key.chain.map((der) => toPem(der, 'CERTIFICATE')).join('')
  return grpc.credentials.createSsl(
    null,
    Buffer.from(toPem(key.pkcs8, 'PRIVATE KEY')),
    Buffer.from(cert),
    { rejectUnauthorized: false, checkServerIdentity: () => undefined },
  )
}
