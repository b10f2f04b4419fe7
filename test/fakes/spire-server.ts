/** A server that speaks SPIRE's API and nothing of ours, with answers written by hand, behind the real door. */
import type { TestContext } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { DescService, MessageInitShape } from '@bufbuild/protobuf'
import type * as grpc from '@grpc/grpc-js'
import { readCsr } from '../../src/certs/csr/read.ts'
import { createIssuer, createRootCertificate, issueLeaf } from '../../src/certs/issuer.ts'
import type { Issuer } from '../../src/certs/issuer.ts'
import { generateKey } from '../../src/certs/keys.ts'
import {
  Agent,
  AttestAgentResponseSchema,
} from '../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import type { AttestAgentRequest } from '../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import { Bundle } from '../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import {
  Entry,
  SyncAuthorizedEntriesResponseSchema,
} from '../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import type { SyncAuthorizedEntriesRequest } from '../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import { SVID } from '../../src/gen/spire/api/server/svid/v1/svid_pb.js'
import { BundleSchema } from '../../src/gen/spire/api/types/bundle_pb.js'
import type { Bundle as BundleMessage } from '../../src/gen/spire/api/types/bundle_pb.js'
import type { Entry as EntryMessage } from '../../src/gen/spire/api/types/entry_pb.js'
import {
  PermissionDeniedDetailsSchema,
  PermissionDeniedDetails_Reason as Reason,
} from '../../src/gen/spire/api/types/status_pb.js'
import { systemClock } from '../../src/runtime/clock.ts'
import { SpindleError } from '../../src/runtime/errors.ts'
import { status } from '../../src/runtime/grpc-status.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { createDoor } from '../../src/server/admit/door.ts'
import type { DoorKey } from '../../src/server/admit/handshake.ts'
import { createPeerVerifier } from '../../src/server/admit/verify-peer.ts'
import type { Answers, Way } from '../../src/server/serve/service.ts'
import { unaryHandlers } from '../../src/server/serve/service.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainId } from '../../src/spiffe/spiffe-id.ts'
import type { SpiffeId } from '../../src/spiffe/spiffe-id.ts'
import { serviceDefinition } from '../../src/wire/service.ts'
import { wordedStatus } from '../../src/wire/status.ts'

const trustDomain = parseTrustDomain('example.org')
const AGENT = parseSpiffeId('spiffe://example.org/spire/agent/join_token/t')
const MINUTE = 60_000

interface Authority {
  readonly root: Buffer
  readonly issuer: Issuer
}

export interface FakeSpireServer {
  readonly address: { readonly host: string; readonly port: number }
  /** What it has for the agent; `federated` by trust domain. */
  entries: EntryMessage[]
  readonly federated: Map<string, BundleMessage>
  /** Of the X.509-SVIDs it gives agents and workloads. */
  agentTtlMs: number
  /** As many entries at once; of more it says the revisions. */
  page: number
  /** Methods it has not, by name. */
  readonly lacks: Set<string>
  /** Why it refuses the agent. */
  denies: keyof typeof Reason | undefined
  /** Whether it renews the SVID of an agent all the same. */
  renews: boolean
  /** Signs for this SPIFFE ID, or this key, whatever was asked for. */
  signsInstead: { readonly spiffeId?: SpiffeId; readonly spki?: Buffer }
  /** Names of the methods called, oldest first. */
  readonly calls: string[]
  readonly batches: number[]
  /** IDs that were asked for in full. */
  readonly asked: string[]
  readonly versions: string[]
  /** DER. */
  readonly roots: Buffer[]
  /** A next CA is published, and signs from now on. */
  rotate(keepOld: boolean): Promise<void>
  stop(): Promise<void>
}

async function newAuthority(serial: number): Promise<Authority> {
  const key = await generateKey('ec-p256')
  const now = Date.now()
  const root = await createRootCertificate(key, {
    trustDomainId: trustDomainId(trustDomain),
    serial: Buffer.from([1, serial]),
    notBefore: now - 60 * MINUTE,
    notAfter: now + 60 * MINUTE,
  })
  return { root, issuer: createIssuer(root, key, 'the CA') }
}

export async function startSpireServer(t: TestContext, port = 0): Promise<FakeSpireServer> {
  let authority = await newAuthority(1)
  let serial = 0
  let sequence = 1n
  const sign = (spiffeId: SpiffeId, spki: Buffer, ttlMs = 30 * MINUTE): Promise<Buffer> =>
    issueLeaf(authority.issuer, {
      spiffeId,
      dnsNames: [],
      spki,
      serial: systemRandom.bytes(8).fill(++serial % 127, 0, 1),
      notBefore: Date.now() - 10_000,
      notAfter: Date.now() + ttlMs,
    })
  const ownKey = async (): Promise<DoorKey> => {
    const key = await generateKey('ec-p256')
    const id = parseSpiffeId('spiffe://example.org/spire/server')
    return { chain: [await sign(id, key.spki)], pkcs8: key.pkcs8 }
  }
  let authorities = new Map([[trustDomain, [authority.root]]])
  const door = createDoor({
    listen: { host: '127.0.0.1', port },
    key: await ownKey(),
    limits: { connections: 100, connectionsPerAddress: 100, streamsPerConnection: 100 },
    clock: systemClock,
    verifier: createPeerVerifier({ clock: systemClock, authorities: () => authorities }),
    gate: (path) => () => {
      const method = path.split('/').at(-1)!
      fake.calls.push(method)
      if (fake.lacks.has(method)) return new SpindleError('unsupported', path)
      const isOpen =
        (method === 'AttestAgent' && fake.denies !== 'AGENT_BANNED') ||
        (method === 'RenewAgent' && fake.renews)
      if (fake.denies === undefined || isOpen || method === 'GetBundle') return undefined
      return wordedStatus(status.PERMISSION_DENIED, 'no', {
        schema: PermissionDeniedDetailsSchema,
        value: create(PermissionDeniedDetailsSchema, { reason: Reason[fake.denies] }),
      })
    },
    audit: { write: () => undefined },
    report: { opened: () => undefined, closed: () => undefined, refused: () => undefined },
  })
  const way: Way = { server: door.server, peerOf: door.peerOf }
  const faulted = (_: string, thrown: unknown): void => {
    throw thrown
  }
  const add = <S extends DescService>(
    service: S,
    answers: Answers<S>,
    streams: object = {},
  ): void =>
    door.server.addService(serviceDefinition(service), {
      ...unaryHandlers(service, answers, { way, faulted }),
      ...streams,
    })
  const agentSvid = async (csr: Uint8Array) => ({
    certChain: [await sign(AGENT, readCsr(csr).spki, fake.agentTtlMs)],
  })
  const own = (): BundleMessage =>
    create(BundleSchema, {
      trustDomain,
      x509Authorities: fake.roots.map((asn1) => ({ asn1 })),
      sequenceNumber: sequence,
    })

  add(
    Agent,
    {
      renewAgent: async ({ params }) => ({ svid: await agentSvid(params?.csr ?? Buffer.of()) }),
      postStatus({ agentVersion }) {
        fake.versions.push(agentVersion)
        return {}
      },
    },
    {
      AttestAgent(call: grpc.ServerDuplexStream<AttestAgentRequest, unknown>) {
        call.on('data', ({ step }: AttestAgentRequest) => {
          if (step.case !== 'params') return
          // It knows the agent again.
          fake.denies = undefined
          void agentSvid(step.value.params?.csr ?? Buffer.of()).then((svid) => {
            const value = { svid, reattestable: false }
            call.write(create(AttestAgentResponseSchema, { step: { case: 'result', value } }))
            call.end()
          })
        })
        call.on('error', () => undefined)
      },
    },
  )
  add(
    Entry,
    { getAuthorizedEntries: () => ({ entries: fake.entries }) },
    {
      SyncAuthorizedEntries(call: grpc.ServerDuplexStream<SyncAuthorizedEntriesRequest, unknown>) {
        const send = (init: MessageInitShape<typeof SyncAuthorizedEntriesResponseSchema>): void =>
          void call.write(create(SyncAuthorizedEntriesResponseSchema, init))
        let first = true
        call.on('data', ({ ids }: SyncAuthorizedEntriesRequest) => {
          if (!first) {
            fake.asked.push(...ids)
            const found = fake.entries.filter(({ id }) => ids.includes(id))
            for (let at = 0; at < found.length || at === 0; at += fake.page)
              send({
                entries: found.slice(at, at + fake.page),
                more: at + fake.page < found.length,
              })
            return
          }
          first = false
          if (fake.entries.length <= fake.page) {
            send({ entries: fake.entries })
            return void call.end()
          }
          const half = Math.ceil(fake.entries.length / 2)
          const revisions = fake.entries.map(({ id, revisionNumber, createdAt }) => ({
            id,
            revisionNumber,
            createdAt,
          }))
          send({ entryRevisions: revisions.slice(0, half), more: true })
          send({ entryRevisions: revisions.slice(half) })
        })
        call.on('end', () => call.end())
        call.on('error', () => undefined)
      },
    },
  )
  add(Bundle, {
    getBundle: own,
    getFederatedBundle({ trustDomain: name }) {
      const bundle = fake.federated.get(name)
      if (bundle === undefined) throw new SpindleError('not_found', 'bundle not found')
      return bundle
    },
  })
  add(SVID, {
    async batchNewX509SVID({ params }) {
      fake.batches.push(params.length)
      const results = params.map(async ({ entryId, csr }) => {
        const entry = fake.entries.find(({ id }) => id === entryId)
        if (entry === undefined)
          return {
            status: { code: status.NOT_FOUND, message: 'entry not found or not authorized' },
          }
        const { path = '' } = entry.spiffeId ?? {}
        const spiffeId = fake.signsInstead.spiffeId ?? parseSpiffeId(`spiffe://example.org${path}`)
        const spki = fake.signsInstead.spki ?? readCsr(csr).spki
        return { status: { code: 0 }, svid: { certChain: [await sign(spiffeId, spki)] } }
      })
      return { results: await Promise.all(results) }
    },
  })
  const fake: FakeSpireServer = {
    address: { host: '127.0.0.1', port: 0 },
    entries: [],
    federated: new Map(),
    agentTtlMs: 30 * MINUTE,
    page: 500,
    lacks: new Set(),
    denies: undefined,
    renews: false,
    signsInstead: {},
    calls: [],
    batches: [],
    asked: [],
    versions: [],
    roots: [authority.root],
    async rotate(keepOld) {
      const next = await newAuthority(fake.roots.length + 1)
      if (!keepOld) fake.roots.length = 0
      fake.roots.push(next.root)
      authority = next
      sequence += 1n
      authorities = new Map([[trustDomain, [...fake.roots]]])
      door.replaceKey(await ownKey())
    },
    async stop() {
      stopped ??= door.stop()
      await stopped
    },
  }
  let stopped: Promise<void> | undefined
  const bound = await door.start()
  t.after(() => fake.stop())
  return Object.assign(fake, { address: { host: '127.0.0.1', port: Number(bound.split(':')[1]) } })
}
