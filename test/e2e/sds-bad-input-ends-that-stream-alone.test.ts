import assert from 'node:assert/strict'
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { connect as connectUnix } from 'node:net'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from './rig/agent.ts'
import { startUidCaller } from './rig/caller-of-uid.ts'
import { FRAME, grpcHeaders, grpcMessage, openRawHttp2, reset } from './rig/http2-frames.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsCaller, serialOf } from './rig/sds-caller.ts'

const ENTRIES = [
  { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:0'] },
  { spiffeId: 'spiffe://example.org/other', selectors: ['unix:uid:10002'] },
]
const METHOD = '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets'
const renew = (agent: Agent): Promise<unknown> =>
  agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })

/** HTTP/2 without gRPC, for what no gRPC client would send. */
function rawSession(socket: string): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect('http://localhost', { createConnection: () => connectUnix(socket) })
    session.once('connect', () => resolve(session))
    session.once('error', reject)
  })
}

/** One call whose body is `body`; resolves to its grpc-status. */
function rawCall(session: ClientHttp2Session, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/grpc', te: 'trailers' }
    const call = session.request({ ':method': 'POST', ':path': METHOD, ...headers })
    const note = (fields: Record<string, unknown>): void => {
      if (fields['grpc-status'] !== undefined) resolve(Number(fields['grpc-status']))
    }
    call.on('response', note).on('trailers', note).on('error', reject).resume()
    call.setTimeout(10_000, () => reject(new Error('no answer within 10 s')))
    call.write(body)
  })
}

function framed(message: Buffer, claimedLength = message.length): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(claimedLength, 1)
  return Buffer.concat([head, message])
}

test('bad input ends the stream it came on, and a valid stream beside it goes on being served', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: ENTRIES,
    config: { limits: { namesPerStream: 8, streamsPerConnection: 20 } },
  })
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const valid = caller.delta()
  valid.acknowledge()
  valid.say({ resourceNamesSubscribe: ['default'] })
  const serials = [serialOf(await valid.next())]
  const rotationReaches = async (): Promise<void> => {
    await renew(agent)
    serials.push(serialOf(await valid.next()))
  }

  await t.test('an unknown type URL', async () => {
    for (const stream of [caller.delta(), caller.sotw()]) {
      stream.say({ typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' })
      assert.equal((await stream.end()).code, status.INVALID_ARGUMENT)
    }
    await rotationReaches()
  })

  await t.test('a message that is no protobuf, and one of 4 GB', async () => {
    const session = await rawSession(agent.socket)
    rig.atEnd(() => session.destroy())
    const garbage = Buffer.from('ff'.repeat(64), 'hex')
    assert.equal(await rawCall(session, framed(garbage)), status.INVALID_ARGUMENT)
    const oversized = framed(garbage, 0xffff_fff0)
    assert.equal(await rawCall(session, oversized), status.RESOURCE_EXHAUSTED)
    await rotationReaches()
  })

  await t.test('an oversized message', async () => {
    const stream = caller.delta()
    stream.say({ resourceNamesSubscribe: ['n'.repeat(5 * 2 ** 20)] })
    assert.equal((await stream.end()).code, status.RESOURCE_EXHAUSTED)
    await rotationReaches()
  })

  await t.test('a name longer than any SPIFFE ID', async () => {
    const stream = caller.delta()
    stream.say({ resourceNamesSubscribe: ['n'.repeat(2049)] })
    assert.equal((await stream.end()).code, status.INVALID_ARGUMENT)
    await rotationReaches()
  })

  await t.test('more names than a stream may ask for, at once or one by one', async () => {
    const refused = 'spindle_agent_sds_requests_refused_total{reason="limit_reached"}'
    const before = (await agent.metric(refused)) ?? 0
    const names = Array.from({ length: 9 }, (_, i) => `name-${i}`)
    const atOnce = caller.sotw()
    atOnce.say({ resourceNames: names })
    assert.equal((await atOnce.end()).code, status.RESOURCE_EXHAUSTED)
    const oneByOne = caller.delta()
    for (const name of names) oneByOne.say({ resourceNamesSubscribe: [name] })
    assert.equal((await oneByOne.end()).code, status.RESOURCE_EXHAUSTED)
    assert.equal(await agent.metric(refused), before + 2)
    await rotationReaches()
  })

  await t.test('invented and stale nonces change nothing', async () => {
    const stream = caller.sotw()
    stream.say({ resourceNames: ['default'] })
    const first = await stream.next()
    stream.say({ resourceNames: ['default'], responseNonce: 'invented', versionInfo: 'v' })
    stream.say({ resourceNames: [], responseNonce: 'invented' })
    stream.say({ resourceNames: ['default'], responseNonce: first.nonce })
    stream.say({ resourceNames: ['default'], responseNonce: first.nonce })
    await rotationReaches()
    const second = await stream.next()
    assert.equal(serialOf(second), serials.at(-1), 'the next thing sent is the rotation')
    stream.say({ resourceNames: ['default'], responseNonce: second.nonce })
    stream.cancel()
  })

  assert.equal(new Set(serials).size, serials.length, 'each rotation was a new certificate')
  const streams = async (): Promise<boolean> => {
    const open = (await agent.sidecars()).flatMap((sidecar) => sidecar.secrets)
    return open.length === 1
  }
  await eventually('only the valid stream is left', streams)
})

test('a caller that takes more streams or connections than it may is held to them, others are not', async (t) => {
  if (process.getuid?.() !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI is root')
    return t.skip('needs root, for callers of another uid')
  }
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: ENTRIES,
    // The readiness probe is a caller of uid 0 as well.
    config: { limits: { streamsPerConnection: 4, connectionsPerUid: 6 } },
  })
  const other = await startUidCaller(agent.socket, 10_002, ['default'])
  rig.atEnd(() => other.stop())
  assert.equal((await other.next()).spiffeId, 'spiffe://example.org/other')

  await t.test('streams of one connection', async () => {
    const open = (): Promise<number | undefined> =>
      agent.metric('spindle_agent_sds_streams{variant="delta"}')
    const raw = await openRawHttp2(agent.socket)
    rig.atEnd(() => raw.socket.destroy())
    const settled = (): boolean => raw.frames.some((frame) => frame.type === FRAME.settings)
    await eventually('settings', settled)
    for (const id of [1, 3, 5, 7]) raw.send(grpcHeaders(id, METHOD), grpcMessage(id))
    await eventually('four streams beside the valid one', async () => (await open()) === 5)
    // One that ends makes room for another.
    raw.send(reset(1))
    await eventually('one stream less', async () => (await open()) === 4)
    raw.send(grpcHeaders(9, METHOD), grpcMessage(9))
    await eventually('another stream', async () => (await open()) === 5)
    // One too many, of a client that was told the limit.
    raw.send(grpcHeaders(11, METHOD), grpcMessage(11))
    await eventually('the connection is closed', () => raw.closed)
    assert.equal(raw.frames.filter((frame) => frame.type === FRAME.goAway).length, 1)
    await eventually('its streams are gone', async () => (await open()) === 1)
    await renew(agent)
    assert.equal((await other.next()).name, 'default')
    assert.equal(other.ended, undefined)
  })

  await t.test('connections of one uid', async () => {
    const refused = 'spindle_agent_connections_refused_total{reason="uid_limit"}'
    const sockets = Array.from({ length: 12 }, () => connectUnix(agent.socket))
    rig.atEnd(() => sockets.forEach((socket) => socket.destroy()))
    for (const socket of sockets) socket.on('error', () => undefined)
    const count = await eventually('connections are refused', async () => {
      const value = (await agent.metric(refused)) ?? 0
      return value >= 6 ? value : undefined
    })
    assert(count <= 12)
    await renew(agent)
    assert.equal((await other.next()).name, 'default')
    assert.equal(other.ended, undefined)
    for (const socket of sockets) socket.destroy()
    const caller = createSdsCaller(agent.socket)
    rig.atEnd(() => caller.close())
    await eventually('the uid may connect again', async () => {
      const { secrets } = await caller.fetch(['default'])
      return secrets.length === 1
    })
  })
})
