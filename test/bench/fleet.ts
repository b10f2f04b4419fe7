/** A server with its registry, and the agents of a fleet: made once, for all rows that measure it. */
import { join } from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { create } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { AttestAgentResponse } from '../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import {
  Agent,
  AttestAgentRequestSchema,
} from '../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import { Entry } from '../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import type { EntrySchema } from '../../src/gen/spire/api/types/entry_pb.js'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey } from '../../src/certs/keys.ts'
import type { KeyPair } from '../../src/certs/keys.ts'
import { toPem } from '../../src/certs/parse.ts'
import { serviceDefinition } from '../../src/wire/service.ts'
import { startServer } from '../e2e/rig/server.ts'
import type { FleetServer } from '../e2e/rig/server.ts'
import type { SimulatedAgent } from './fleet-agent.ts'
import { simulatedAgent } from './fleet-agent.ts'

export interface FleetSize {
  readonly agents: number
  readonly entriesPerAgent: number
}

export interface Fleet {
  readonly size: FleetSize
  readonly server: FleetServer
  readonly key: KeyPair
  /** All agents attested, none connected. */
  readonly agents: readonly SimulatedAgent[]
  /** On a fresh process and the same state; @returns ms to the ready line */
  restart(): Promise<number>
  create(entries: readonly EntryInit[]): Promise<readonly string[]>
  /** Opens the stream of each that has none. */
  connect(): Promise<void>
  close(): Promise<void>
}

export type EntryInit = Exclude<MessageInitShape<typeof EntrySchema>, { $typeName: string }>

const A_BATCH = 500
const AT_ONCE = 16
/** Calls that a connection without a certificate may have open. */
const OF_STRANGERS = 8
const DEADLINE_MS = 60_000
const SELECTORS = [{ type: 'unix', value: 'uid:1000' }]
const trustDomain = 'example.org'

export const entryOf = (agent: string, path: string): EntryInit => ({
  spiffeId: { trustDomain, path },
  parentId: { trustDomain, path: agent.slice(`spiffe://${trustDomain}`.length) },
  selectors: SELECTORS,
})

export async function startFleet(folder: string, size: FleetSize): Promise<Fleet> {
  let server = await startServer(join(folder, 'fleet'), {
    config: {
      log: { level: 'warn', format: 'json' },
      rateLimit: { attestation: false, signing: false },
      svid: { ttl: '12h' },
    },
  })
  const key = await generateKey('ec-p256')
  const agents = await attestAll(server, key, size.agents)
  let connected = false
  const fleet: Fleet = {
    size,
    key,
    agents,
    get server() {
      return server
    },
    async restart() {
      for (const agent of agents) agent.close()
      connected = false
      await server.stop()
      const begun = performance.now()
      server = await server.restart()
      return performance.now() - begun
    },
    async create(entries) {
      const method = Entry.method.batchCreateEntry
      const request = { entries: [...entries] }
      const { results } = await server.local.call(method, request, { deadlineMs: DEADLINE_MS })
      return results.map(({ status, entry }) => {
        if (status?.code !== 0 || entry === undefined) throw new Error(status?.message)
        return entry.id
      })
    },
    async connect() {
      if (connected) return
      await each(agents, (agent) => agent.connect())
      connected = true
    },
    async close() {
      for (const agent of agents) agent.close()
      await server.stop()
    },
  }
  const entries = agents.flatMap(({ spiffeId }, at) =>
    Array.from({ length: size.entriesPerAgent }, (_, of) => entryOf(spiffeId, `/w/${at}/${of}`)),
  )
  for (let at = 0; at < entries.length; at += A_BATCH)
    await fleet.create(entries.slice(at, at + A_BATCH))
  return fleet
}

/** Some at a time. */
export async function each<T>(
  items: readonly T[],
  run: (item: T) => Promise<unknown>,
  atOnce = AT_ONCE,
): Promise<void> {
  const left = items.values()
  const lane = async (): Promise<void> => {
    for (const item of left) await run(item)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}

/** All with one key: what is measured is the server. */
async function attestAll(
  server: FleetServer,
  key: KeyPair,
  count: number,
): Promise<readonly SimulatedAgent[]> {
  const csr = await writeCsr(key)
  const pem = toPem(key.pkcs8, 'PRIVATE KEY')
  const credentials = grpc.credentials.createSsl(null, null, null, {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  const client = new grpc.Client(server.address, credentials, {
    'grpc.ssl_target_name_override': 'server',
    'grpc.enable_http_proxy': 0,
  })
  const agents: SimulatedAgent[] = []
  await each(
    Array.from({ length: count }),
    async () => {
      const request = { ttl: 3_600 }
      const { value } = await server.local.call(Agent.method.createJoinToken, request, {
        deadlineMs: DEADLINE_MS,
      })
      const svid = await attest(client, value, csr)
      const certificates = svid.certChain.map((der) => toPem(der, 'CERTIFICATE')).join('')
      const spiffeId = `spiffe://${trustDomain}${svid.id?.path ?? ''}`
      agents.push(simulatedAgent(server.address, { spiffeId, certificates, key: pem }))
    },
    OF_STRANGERS,
  )
  client.close()
  return agents
}

type Svid = NonNullable<Extract<AttestAgentResponse['step'], { case: 'result' }>['value']['svid']>

function attest(client: grpc.Client, token: string, csr: Uint8Array): Promise<Svid> {
  const { path, requestSerialize, responseDeserialize } = serviceDefinition(Agent)['AttestAgent']!
  const call = client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize as (bytes: Buffer) => AttestAgentResponse,
  )
  const data = { type: 'join_token', payload: Buffer.from(token) }
  call.write(
    create(AttestAgentRequestSchema, {
      step: { case: 'params', value: { data, params: { csr } } },
    }),
  )
  return new Promise((resolve, reject) => {
    call.on('error', reject)
    call.on('data', ({ step }) => {
      if (step.case === 'result' && step.value.svid !== undefined) resolve(step.value.svid)
      else reject(new Error('no SVID'))
      call.end()
    })
  })
}
