import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { createDoor } from '../../../../src/server/admit/door.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { closing, raw, setUp } from './door-setting.ts'
import { createFleet } from './fleet.ts'

test('Door tells a call the SPIFFE ID that its connection proved, and one without a certificate that it is nobody', async (t) => {
  const { fleet, client } = await setUp(t)
  assert.equal(await client(await fleet.sign('/spire/agent/x'))(), fleet.id('/spire/agent/x'))
  assert.equal(await client(await fleet.signBelow('/below'))(), fleet.id('/below'))
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
  const [tooOld] = await refused(1)
  assert.deepEqual(
    [tooOld?.reason, tooOld?.detail],
    ['handshake_failed', 'ERR_SSL_UNSUPPORTED_PROTOCOL'],
  )
  await closing(tls({ ALPNProtocols: ['http/1.1'] }))
  const [, other] = await refused(2)
  assert.deepEqual(
    [other?.reason, other?.detail],
    ['handshake_failed', 'ERR_SSL_NO_APPLICATION_PROTOCOL'],
  )
  await closing(tls({ ALPNProtocols: [] }))
  const [, , none] = await refused(3)
  assert.equal(none?.detail, 'the client does not offer HTTP/2 (ALPN)')
})

test('Door counts connections from before the handshake until they close, of one address and of all', async (t) => {
  for (const [limits, reason] of [
    [{ connectionsPerAddress: 2 }, 'address_limit'],
    [{ connections: 2 }, 'connection_limit'],
  ] as const) {
    const { client, port, refused, fleet } = await setUp(t, { limits })
    const [first, second] = [await fleet.sign('/first'), await fleet.sign('/second')].map(client)
    const ids = [fleet.id('/first'), fleet.id('/second')]
    assert.deepEqual([await first!(), await second!()], ids)
    await closing(raw(t, port))
    assert.deepEqual(
      (await refused(1)).map((one) => one.reason),
      [reason],
    )
    assert.deepEqual([await first!(), await second!()], ids)
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
