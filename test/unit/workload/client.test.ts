// WT-5, WT-21, WT-24, WW-1 of docs/conformance.md.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { codeOf } from '../../../src/runtime/errors.ts'
import type { WatchFault } from '../../../src/workload/watch.ts'
import type { X509Update } from '../../../src/workload/x509.ts'
import { temporaryFolder } from '../../fakes/folder.ts'
import { createFakeAgent } from '../../fakes/workload-agent.ts'
import { ca, clientOf, one, svid } from './setting.ts'

const names = (update: X509Update) => update.svids.map(({ spiffeId }) => spiffeId.slice(21))

test('fetchX509() gives what the agent has, and sends the security header', async (t) => {
  const both = { svids: [await svid('web', { hint: 'a' }), await svid('db')] }
  const agent = await createFakeAgent(t, { fetchX509SVID: (stream) => stream.send(both) })
  const update = await clientOf(t, agent).fetchX509()
  assert.deepEqual(names(update), ['web', 'db'])
  assert.deepEqual(update.svids[0].bundle, [ca.der])
  assert.equal(update.svids[0].hint, 'a')
  assert.deepEqual(agent.calls, [{ method: 'fetchX509SVID', header: ['true'] }])
})

test('a call has a deadline: an agent that says nothing is unreachable', async (t) => {
  const agent = await createFakeAgent(t)
  const client = clientOf(t, agent, 50)
  const questions = [
    client.fetchX509(),
    client.fetchX509Bundles(),
    client.fetchJwtBundles(),
    client.fetchJwt({ audience: ['a'] }),
    client.validateJwt({ audience: 'a', svid: 'x' }),
  ]
  await Promise.all(questions.map((question) => assert.rejects(question, { code: 'unreachable' })))
})

test('what an agent refuses with is told by its status', async (t) => {
  const cases = [
    [status.INVALID_ARGUMENT, 'request_invalid'],
    [status.PERMISSION_DENIED, 'no_identity'],
    [status.UNAVAILABLE, 'not_ready'],
    [status.UNIMPLEMENTED, 'unsupported'],
    [status.UNKNOWN, 'agent_failed'],
  ] as const
  for (const [code, wanted] of cases) {
    const agent = await createFakeAgent(t, {
      fetchX509SVID: (stream) => stream.fail(code, 'not\nthis time'),
      fetchJWTSVID: () => ({ code, details: `${wanted}: not this time` }),
    })
    const client = clientOf(t, agent)
    const message = `${agent.path}: not?this time`
    await assert.rejects(client.fetchX509(), { code: wanted, message })
    const told = wanted === 'agent_failed' ? `${wanted}: ` : ''
    await assert.rejects(client.fetchJwt({ audience: ['a'] }), {
      code: wanted,
      message: `${agent.path}: ${told}not this time`,
    })
  }
})

test('an endpoint of TCP is asked itself, whatever proxy the environment names', async (t) => {
  const message = await one()
  const before = process.env['grpc_proxy']
  process.env['grpc_proxy'] = 'http://127.0.0.1:1'
  t.after(() => {
    if (before === undefined) delete process.env['grpc_proxy']
    else process.env['grpc_proxy'] = before
  })
  for (const ip of ['127.0.0.1', '::1'] as const) {
    const agent = await createFakeAgent(t, { fetchX509SVID: (stream) => stream.send(message) }, ip)
    assert.deepEqual(names(await clientOf(t, agent).fetchX509()), ['web'])
    assert.deepEqual(agent.calls[0]?.header, ['true'])
  }
})

test('no socket is unreachable', async (t) => {
  const path = join(temporaryFolder(t), 'none')
  const client = clientOf(t, { endpoint: { kind: 'unix', path } })
  await assert.rejects(client.fetchX509(), { code: 'unreachable', message: /no such socket/ })
})

/** Collects what a watch says. */
function recorder() {
  const updates: X509Update[] = []
  const faults: WatchFault[] = []
  const end = new AbortController()
  let wake = (): void => undefined
  return {
    updates,
    faults,
    end: () => end.abort(),
    watch: {
      signal: end.signal,
      onUpdate(update: X509Update): void {
        updates.push(update)
        wake()
      },
      onFault(fault: WatchFault): void {
        faults.push(fault)
        wake()
      },
    },
    async until(holds: () => boolean): Promise<void> {
      const deadline = AbortSignal.timeout(20_000)
      while (!holds()) {
        deadline.throwIfAborted()
        await new Promise<void>((resolve) => {
          wake = resolve
          deadline.addEventListener('abort', () => resolve(), { once: true })
        })
      }
    },
  }
}

test('watchX509() gives each state whole: an SVID that is left out is gone', async (t) => {
  const [web, db] = [await svid('web'), await svid('db')]
  const agent = await createFakeAgent(t, {
    fetchX509SVID: (stream) => {
      stream.send({ svids: [web, db], federatedBundles: { 'spiffe://other.org': ca.der } })
      stream.send({ svids: [web] })
    },
  })
  const seen = recorder()
  const watching = clientOf(t, agent).watchX509(seen.watch)
  await seen.until(() => seen.updates.length === 2)
  assert.deepEqual(seen.updates.map(names), [['web', 'db'], ['web']])
  assert.deepEqual(
    seen.updates.map(({ federatedBundles }) => [...federatedBundles.keys()]),
    [['other.org'], []],
  )
  seen.end()
  await watching
  assert.deepEqual(seen.faults, [])
})

test('watchX509() is back when the agent was gone and is there again', async (t) => {
  const message = await one()
  const agent = await createFakeAgent(t, { fetchX509SVID: (stream) => stream.send(message) })
  const seen = recorder()
  const watching = clientOf(t, agent).watchX509(seen.watch)
  await seen.until(() => seen.updates.length === 1)
  agent.stop()
  await seen.until(() => seen.faults.length >= 4)
  await agent.start()
  await seen.until(() => seen.updates.length === 2)
  assert.equal(seen.faults[0]?.retryInMs, 0, 'the first time at once')
  assert(seen.faults.slice(1).every(({ retryInMs = 0 }) => retryInMs > 0))
  assert(seen.faults.every(({ error }) => error.code === 'unreachable'))
  seen.end()
  await watching
})

test('watchX509() tries again after PERMISSION_DENIED, and says that what it gave is void', async (t) => {
  const message = await one()
  let asked = 0
  const agent = await createFakeAgent(t, {
    fetchX509SVID: (stream) => {
      asked += 1
      if (asked !== 2 && asked !== 3) stream.send(message)
      if (asked <= 3) stream.fail(status.PERMISSION_DENIED, 'no identity issued')
    },
  })
  const seen = recorder()
  const watching = clientOf(t, agent).watchX509(seen.watch)
  await seen.until(() => seen.updates.length === 2)
  assert.deepEqual(
    seen.faults.map(({ error, isDenied }) => [error.code, isDenied]),
    Array.from({ length: 3 }, () => ['no_identity', true]),
  )
  assert(seen.faults.every(({ retryInMs = 0 }) => retryInMs > 0))
  seen.end()
  await watching
})

test('watchX509() ends with INVALID_ARGUMENT and UNIMPLEMENTED, and does not ask again', async (t) => {
  for (const [code, wanted] of [
    [status.INVALID_ARGUMENT, 'request_invalid'],
    [status.UNIMPLEMENTED, 'unsupported'],
  ] as const) {
    const agent = await createFakeAgent(t, { fetchX509SVID: (stream) => stream.fail(code, 'no') })
    const seen = recorder()
    await assert.rejects(clientOf(t, agent).watchX509(seen.watch), { code: wanted })
    assert.equal(agent.calls.length, 1)
    assert.deepEqual(seen.faults, [])
  }
})

test('T-WX-8 a response without SVIDs or without a key is told of and discarded, and the stream goes on', async (t) => {
  const message = await one()
  const agent = await createFakeAgent(t, {
    async fetchX509SVID(stream) {
      stream.send({ svids: [] })
      stream.send(message)
      stream.send({ svids: [await svid('db', { x509SvidKey: new Uint8Array() })] })
    },
  })
  const seen = recorder()
  const watching = clientOf(t, agent).watchX509(seen.watch)
  await seen.until(() => seen.faults.length === 2)
  assert.deepEqual(seen.updates.map(names), [['web']])
  for (const { error, retryInMs } of seen.faults) {
    assert.equal(codeOf(error), 'agent_failed')
    assert.match(error.message, /discarded: (it has no SVID|SVID 1 has no x509_svid_key)/)
    assert.equal(retryInMs, undefined)
  }
  assert.equal(agent.calls.length, 1)
  seen.end()
  await watching

  agent.says = { fetchX509SVID: (stream) => stream.send({ svids: [] }) }
  await assert.rejects(clientOf(t, agent).fetchX509(), { code: 'agent_failed' })
})

test('watchX509() leaves a stream whose first message does not come in time', async (t) => {
  const message = await one()
  let asked = 0
  const agent = await createFakeAgent(t, {
    fetchX509SVID: (stream) => void ((asked += 1) > 1 && stream.send(message)),
  })
  const seen = recorder()
  const watching = clientOf(t, agent, 200).watchX509(seen.watch)
  await seen.until(() => seen.updates.length === 1)
  assert.match(seen.faults[0]?.error.message ?? '', /nothing within 200 ms/)
  seen.end()
  await watching
})

test('several watches share a connection, and all are over when the client is closed', async (t) => {
  const message = await one()
  const agent = await createFakeAgent(t, {
    fetchX509SVID: (stream) => stream.send(message),
    fetchX509Bundles: (stream) => stream.send({ bundles: { 'spiffe://example.org': ca.der } }),
    fetchJWTBundles: (stream) =>
      stream.send({ bundles: { 'spiffe://example.org': Buffer.from('{"keys":[]}') } }),
  })
  const client = clientOf(t, agent)
  const { signal } = new AbortController()
  let count = 0
  const got = Promise.withResolvers<void>()
  const onUpdate = () => void ((count += 1) === 3 && got.resolve())
  const watches = [
    client.watchX509({ signal, onUpdate }),
    client.watchX509Bundles({ signal, onUpdate }),
    client.watchJwtBundles({ signal, onUpdate }),
  ]
  await got.promise
  assert.equal(agent.connections, 1)
  assert(agent.calls.every(({ header }) => header[0] === 'true'))
  client.close()
  await Promise.all(watches)
})

test('what onUpdate throws ends the watch, and the agent is told', async (t) => {
  const message = await one()
  const closed = Promise.withResolvers<unknown>()
  const agent = await createFakeAgent(t, {
    fetchX509SVID(stream) {
      stream.send(message)
      closed.resolve(stream.closed)
    },
  })
  const { signal } = new AbortController()
  const watching = clientOf(t, agent).watchX509({
    signal,
    onUpdate: () => Promise.reject(new Error('disk full')),
  })
  await assert.rejects(watching, { message: 'disk full' })
  await closed.promise
})
