import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { create } from '@bufbuild/protobuf'
import { Debug, GetInfoRequestSchema } from '#spire/api/server/debug/v1/debug_pb.js'
import type { ServerPeer } from '../../../../../src/server/admit/peer.ts'
import { auditCaller } from '../../../../../src/server/admit/peer.ts'
import type { AuditEvent } from '../../../../../src/server/audit/audit.ts'
import { createTurn } from '../../../../../src/server/serve/api/turns.ts'
import type { Asked } from '../../../../../src/server/serve/service.ts'
import { unaryService } from '../../../../../src/server/serve/service.ts'
import { methodDefinition } from '../../../../../src/wire/service.ts'
import type { WordedStatus } from '../../../../../src/wire/status.ts'
import { createManualClock } from '../../../../fakes/clock.ts'

const METHOD = '/spire.api.server.debug.v1.Debug/GetInfo'

function asking(peer: ServerPeer, signal?: AbortSignal): Asked {
  return { peer, caller: auditCaller(peer), method: METHOD, ...(signal && { signal }) }
}

const from = (address: string): Asked => asking({ kind: 'remote', address, svid: undefined })

function setUp(perSecond: number | false) {
  const clock = createManualClock()
  const audited: AuditEvent[] = []
  const audit = { write: (event: AuditEvent) => void audited.push(event) }
  return { clock, audited, turn: createTurn({ clock, audit, perSecond, longestWaitMs: 0 }) }
}

test('createTurn counts the addresses of one caller together, a /64 of IPv6, and tells the audit whom it turned away', async () => {
  const { turn, audited } = setUp(1)
  await turn('limit', from('2001:db8::1'))
  await assert.rejects(turn('the limit', from('2001:db8::2')), ({ status }: WordedStatus) => {
    assert.equal(status.code, grpc.status.RESOURCE_EXHAUSTED)
    assert.match(status.details, /^rejecting request due to the limit: /)
    return true
  })
  assert.deepEqual(audited, [
    {
      event: 'denied',
      caller: { kind: 'anonymous', address: '2001:db8::2' },
      method: METHOD,
      reason: 'rate_limited',
      detail: 'the limit',
    },
  ])
  await turn('limit', from('2001:db8:0:1::1'))
  await turn('limit', from('192.0.2.1'))
  await assert.rejects(turn('limit', from('::ffff:192.0.2.1')))
})

test('createTurn counts nobody where there is no limit, and no process of this host', async () => {
  const none = setUp(false)
  const local = setUp(1)
  const process = asking({ kind: 'local', uid: 0, pid: 1 })
  for (let at = 0; at < 10; at++) {
    await none.turn('limit', from('192.0.2.1'))
    await local.turn('limit', process)
  }
})

async function serving(t: TestContext, answer: (asked: Asked) => Promise<object>) {
  const server = new grpc.Server()
  const service = unaryService(Debug, { getInfo: (_, asked) => answer(asked) }, (_method, thrown) =>
    assert.fail(String(thrown)),
  )
  const peer: ServerPeer = { kind: 'remote', address: '192.0.2.1', svid: undefined }
  service.addTo({ server, peerOf: () => peer })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
  })
  t.after(() => {
    client.close()
    server.forceShutdown()
  })
  const { path, requestSerialize, responseDeserialize } = methodDefinition(Debug.method.getInfo)
  return (metadata: grpc.Metadata) => {
    const ended = Promise.withResolvers<grpc.ServiceError | null>()
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(GetInfoRequestSchema),
      metadata,
      (error) => ended.resolve(error),
    )
    return { call, ended: ended.promise }
  }
}

for (const [how, timeout, code] of [
  ['its client cancels it', undefined, grpc.status.CANCELLED],
  ['its deadline is over', '2S', grpc.status.DEADLINE_EXCEEDED],
] as const)
  test(`a call that waits for its turn leaves the line when ${how}, and takes no turn`, async (t) => {
    const clock = createManualClock()
    const audited: AuditEvent[] = []
    const audit = { write: (event: AuditEvent) => void audited.push(event) }
    const turn = createTurn({ clock, audit, perSecond: 1, longestWaitMs: 10_000 })
    await turn('limit', from('192.0.2.1'))
    let waits = Promise.withResolvers<'waits'>()
    const left = Promise.withResolvers<unknown>()
    const ask = await serving(t, async (asked) => {
      const waiting = turn('limit', asked)
      waits.resolve('waits')
      await waiting.catch(left.resolve)
      return {}
    })
    const metadata = new grpc.Metadata()
    // Of the server's own: the client would leave by itself.
    if (timeout !== undefined) metadata.set('grpc-timeout', timeout)
    let asked = ask(metadata)
    // Where the machine stands still the deadline may be over before the service is called.
    for (
      let tries = 0;
      tries < 10 && (await Promise.race([waits.promise, asked.ended])) !== 'waits';
    ) {
      tries += 1
      waits = Promise.withResolvers()
      asked = ask(metadata)
    }
    if (timeout === undefined) asked.call.cancel()
    const thrown = (await left.promise) as WordedStatus
    assert.equal(thrown.status.code, grpc.status.CANCELLED)
    assert.equal((await asked.ended)?.code, code)
    assert.equal(clock.pending, 0)
    assert.deepEqual(audited, [], 'who leaves is not denied')
    // The next comes after the one turn that was taken.
    const next = turn('limit', from('192.0.2.1'))
    await clock.advance(1_000)
    await next
  })
