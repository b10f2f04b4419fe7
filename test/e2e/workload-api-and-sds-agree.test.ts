import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { X509SVIDResponse } from '../../src/gen/spiffe/workload/workload_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { status } from '../../src/runtime/grpc-status.ts'
import type { Agent, EntrySettings } from './rig/agent.ts'
import type { Rig } from './rig/rig.ts'
import { createRig, eventually } from './rig/rig.ts'
import type { Received, SdsStreamClient } from './rig/sds-client.ts'
import { createSdsClient } from './rig/sds-client.ts'
import type { ReceivedStream, WorkloadTestClient } from './rig/workload-client.ts'
import { createWorkloadTestClient } from './rig/workload-client.ts'

const { method } = SpiffeWorkloadAPI
const ME = [`unix:uid:${process.getuid?.()}`]
const web: EntrySettings = { spiffeId: 'spiffe://example.org/web', selectors: ME }

function clientOf(rig: Rig, agent: Agent): WorkloadTestClient {
  const client = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => client.close())
  return client
}

const renew = (agent: Agent) =>
  agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 20_000 })

/** Of the certificate chain or the trusted CAs in the one secret of a response. */
function pemOf({ secrets }: Received): string {
  const [secret] = secrets
  const { type } = secret ?? { type: undefined }
  const source =
    type?.case === 'tlsCertificate'
      ? type.value.certificateChain
      : type?.case === 'validationContext'
        ? type.value.trustedCa
        : undefined
  assert(source?.specifier.case === 'inlineBytes')
  return Buffer.from(source.specifier.value).toString()
}

const serialOf = (certificate: string | Uint8Array): string =>
  new X509Certificate(certificate).serialNumber

/** What SDS says last under a name, and what the Workload API says last: acknowledged as Envoy does it. */
function serials(sds: SdsStreamClient, workload: ReceivedStream<X509SVIDResponse>) {
  const last = sds.received.filter(({ secrets }) => secrets[0]?.name === 'default').at(-1)
  const svid = workload.received.at(-1)?.svids[0]
  assert(last !== undefined && svid !== undefined)
  return { sds: serialOf(pemOf(last)), workload: serialOf(svid.x509Svid) }
}

test('a caller sees the same certificate over SDS and over the Workload API, each change once', async (t) => {
  const rig = createRig(t)
  const other = { spiffeId: 'spiffe://example.org/other', selectors: ['unix:uid:4242'] }
  const agent = await rig.agent({ entries: [web] })
  const client = clientOf(rig, agent)
  const sdsClient = createSdsClient(agent.socket)
  rig.atEnd(() => sdsClient.close())
  const workload = client.stream(method.fetchX509SVID)
  await workload.next()
  assert.deepEqual(await agent.sidecars(), [], 'who uses the Workload API alone is no sidecar')
  const sds = sdsClient.delta()
  sds.subscribe('default')
  sds.ack(await sds.next())
  const first = serials(sds, workload)
  assert.equal(first.sds, first.workload)

  for (const rotation of [1, 2, 3]) {
    // What concerns others is no message.
    agent.setEntries(rotation % 2 === 1 ? [web, other] : [web])
    const reloads = 'spindle_agent_reloads_total{source="entries",result="ok"}'
    await eventually('the file is read', async () => (await agent.metric(reloads)) === rotation)
    await renew(agent)
    sds.ack(await sds.next(undefined, rotation))
    await workload.next(undefined, rotation)
    const now = serials(sds, workload)
    assert.equal(now.sds, now.workload, `rotation ${rotation}`)
    assert.notEqual(now.workload, first.workload)
  }
  assert.deepEqual([sds.received.length, workload.received.length], [4, 4])

  const workloads = await agent.workloads()
  assert.deepEqual(
    workloads.map(({ pid, spiffeIds, uses }) => [pid, spiffeIds, uses.map(({ state }) => state)]),
    [[process.pid, ['spiffe://example.org/web'], ['sent']]],
  )
  const explained = await agent.admin.call(
    AdminService.method.explain,
    { pid: process.pid },
    { deadlineMs: 20_000 },
  )
  assert.deepEqual(
    explained.workloadUses.map(({ method: name, state, answers }) => [name, state, answers]),
    [['FetchX509SVID', 'sent', 4]],
  )

  agent.setEntries([other])
  const ended = await workload.status()
  assert.equal(ended.code, status.PERMISSION_DENIED)
  await sds.next(({ removed }) => removed.includes('default'))
  assert.equal(sds.ended, undefined, 'SDS holds the line')
})

test('a CA that is asked for is told of before it signs, to those that use the Workload API alone', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [web] })
  const stream = clientOf(rig, agent).stream(method.fetchX509SVID)
  const before = await stream.next()
  await agent.admin.call(AdminService.method.rotateAuthority, {}, { deadlineMs: 60_000 })
  const [, told, signed] = await eventually('both messages', () =>
    stream.received.length >= 3 ? stream.received : undefined,
  )
  const [first, second, third] = [before, told, signed].map((message) => message?.svids[0])
  assert.deepEqual(second?.x509Svid, first?.x509Svid, 'the same certificate, and one CA more')
  assert((second?.bundle.length ?? 0) > (first?.bundle.length ?? 0))
  assert.notDeepEqual(third?.x509Svid, first?.x509Svid)
  assert.deepEqual(third?.bundle, second?.bundle)
  assert.equal(stream.received.length, 3)
})

test('a client that does not read gets the newest state once it does, and not each before it', async (t) => {
  const rig = createRig(t)
  const entries = Array.from({ length: 150 }, (_, index) => ({
    spiffeId: `spiffe://example.org/many/${index}`,
    selectors: [...ME],
  }))
  const agent = await rig.agent({ entries })
  const client = clientOf(rig, agent)
  // Its message is larger than what HTTP/2 sends unread.
  const slow = client.stream(method.fetchX509SVID)
  assert.equal((await slow.next()).svids.length, entries.length)
  slow.pause()
  const reader = clientOf(rig, agent).stream(method.fetchX509SVID)
  await reader.next()
  // A client of grpc-js has read a few messages ahead before it stops.
  while (reader.received.length < 30) await renew(agent)
  const newest = await clientOf(rig, agent).stream(method.fetchX509SVID).next()
  const isNewest = ({ svids }: X509SVIDResponse): boolean =>
    svids.every(({ x509Svid }, index) =>
      Buffer.from(x509Svid).equals(Buffer.from(newest.svids[index]?.x509Svid ?? [])),
    )
  await reader.next(isNewest)
  slow.resume()
  await slow.next(isNewest)
  assert(slow.received.length < 24, `${slow.received.length} of ${reader.received.length} messages`)
  assert.equal(slow.ended, undefined)
})
