// R15 of docs/faults.md.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import type { DeltaDiscoveryResponse } from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import { SECRET_TYPE_URL } from '../../src/xds/resource.ts'
import type { Agent, AgentSettings } from './rig/agent.ts'
import {
  grpcHeaders,
  grpcMessage,
  messagesOf,
  openRawHttp2,
  windowUpdate,
} from './rig/http2-frames.ts'
import type { RawHttp2 } from './rig/http2-frames.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'
import type { Rig } from './rig/rig.ts'
import type { CallerStream, DeltaAsk } from './rig/sds-caller.ts'
import { createSdsCaller, serialOf } from './rig/sds-caller.ts'

const ENTRY = { spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }
const ACK_DEADLINE_MS = 1_000
const METHOD = '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets'
const ENTRIES = 'spindle_agent_entries'
const STREAMS = 'spindle_agent_sds_streams{variant="delta"}'

interface Setting {
  readonly agent: Agent
  readonly valid: CallerStream<DeltaAsk>
  /** A rotation reaches the valid stream. */
  readonly rotate: () => Promise<void>
  readonly descriptors: () => number
}

async function setUp(rig: Rig, settings: AgentSettings = {}): Promise<Setting> {
  const agent = await rig.agent({ entries: [ENTRY], ...settings })
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const valid = caller.delta()
  valid.acknowledge()
  valid.say({ resourceNamesSubscribe: ['default'] })
  let latest = serialOf(await valid.next())
  return {
    agent,
    valid,
    async rotate() {
      await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })
      const serial = serialOf(await valid.next())
      assert.notEqual(serial, latest)
      latest = serial
    },
    descriptors: () => readdirSync(`/proc/${agent.child.pid}/fd`).length,
  }
}

/** How many descriptors the agent has open once everything that keeps one was used: admin API and metrics. */
async function settled({ agent, rotate, descriptors }: Setting): Promise<number> {
  await rotate()
  await agent.metric(STREAMS)
  return descriptors()
}

function say(raw: RawHttp2, ask: DeltaAsk): void {
  const message = create(DeltaDiscoveryRequestSchema, { typeUrl: SECRET_TYPE_URL, ...ask })
  raw.send(grpcMessage(1, Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message))))
}

const responses = (raw: RawHttp2): DeltaDiscoveryResponse[] =>
  messagesOf(raw.frames, 1).map((bytes) => fromBinary(DeltaDiscoveryResponseSchema, bytes))

async function dial(path: string): Promise<Socket> {
  const socket = connect(path)
  socket.on('error', () => undefined).resume()
  await once(socket, 'connect')
  return socket
}

test('clients that are silent or do not read cost themselves alone', async (t) => {
  const rig = createRig(t)
  const setting = await setUp(rig, { config: { sds: { ackDeadline: '1s' } } })
  const { agent, rotate, descriptors } = setting
  const before = await settled(setting)

  // Whoever connects and says nothing is hung up on; the others may begin meanwhile.
  const silent = await dial(agent.socket)
  const polite = await openRawHttp2(agent.socket)
  const connected = performance.now()
  let hungUp: number | undefined
  silent.once('close', () => (hungUp = performance.now() - connected))
  rig.atEnd(() => silent.destroy())

  await t.test('a client that ends its half of the connection', async () => {
    const half = await openRawHttp2(agent.socket)
    half.send(grpcHeaders(1, METHOD))
    say(half, { resourceNamesSubscribe: ['default'] })
    await eventually('an answer', () => responses(half).length === 1)
    half.socket.end()
    await eventually('the connection is closed', () => half.closed)
    await rotate()
  })

  await t.test(
    'a client that does not read costs one secret, and then gets the newest',
    async () => {
      const pushes = 'spindle_agent_sds_pushes_total{variant="delta",kind="svid"}'
      const raw = await openRawHttp2(agent.socket, 0)
      rig.atEnd(() => raw.socket.destroy())
      const first = (await agent.metric(pushes)) ?? 0
      raw.send(grpcHeaders(1, METHOD))
      say(raw, { resourceNamesSubscribe: ['default'] })
      await eventually('a push', async () => (await agent.metric(pushes)) === first + 1)
      // Beyond the time an answer is waited for: it has not been able to answer.
      const end = performance.now() + 2.5 * ACK_DEADLINE_MS
      let rotations = 0
      while (performance.now() < end || rotations < 10) {
        await rotate()
        rotations += 1
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      assert.equal(await agent.metric(pushes), first + 1 + rotations, 'the rest to who reads')
      assert.deepEqual(responses(raw), [])

      raw.send(windowUpdate(1, 60_000))
      const old = await eventually('what waited', () => responses(raw)[0])
      say(raw, { responseNonce: old.nonce })
      const newest = await eventually('the newest', () => responses(raw)[1])
      assert.notEqual(newest.resources[0]?.version, old.resources[0]?.version)
      const [held] = (await agent.sidecars())
        .flatMap(({ secrets }) => secrets)
        .filter(({ state }) => state === 'acknowledged')
      assert.equal(newest.resources[0]?.version, held?.version)
      assert.equal(responses(raw).length, 2)
      raw.socket.destroy()
    },
  )

  await t.test('silent clients are hung up on after 10 s', async () => {
    await eventually('hung up', () => hungUp !== undefined && polite.closed, 50_000)
    assert(hungUp !== undefined && hungUp > 9_000 && hungUp < 50_000, `${hungUp} ms`)
  })

  await rotate()
  await eventually(`${before} descriptors as before`, () => descriptors() <= before)
})

test('an agent that runs out of descriptors serves on whom it serves, and recovers', async (t) => {
  const rig = createRig(t)
  const setting = await setUp(rig, {
    through: ['prlimit', '--nofile=128:128'],
    config: { limits: { connectionsPerUid: 10_000 } },
  })
  const { agent, rotate, descriptors } = setting
  const before = await settled(setting)
  const crowd = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const socket = await dial(agent.socket).catch(() => undefined)
      rig.atEnd(() => socket?.destroy())
      return socket
    }),
  )
  const refused = 'spindle_agent_connections_refused_total{reason="connection_limit"}'
  await eventually('the crowd is refused', async () => ((await agent.metric(refused)) ?? 0) > 200)
  const shown = `descriptors: ${before} before the crowd, ${descriptors()} with it`
  t.diagnostic(shown)
  for (let rotation = 0; rotation < 3; rotation++) await rotate()
  // What needs descriptors goes on: files are read, callers attested, health looked at.
  agent.setEntries([ENTRY, { spiffeId: 'spiffe://example.org/second', selectors: testSelectors() }])
  await eventually('the file is read', async () => (await agent.metric(ENTRIES)) === 2)
  for (const socket of crowd) socket?.destroy()
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  await eventually('others are served again', async () => {
    const { secrets } = await caller.fetch(['default'])
    return secrets.length === 1
  })
  caller.close()
  await rotate()
  await eventually(`${before} descriptors as before`, () => descriptors() <= before)
  assert.equal(await agent.metric(STREAMS), 1)
})
