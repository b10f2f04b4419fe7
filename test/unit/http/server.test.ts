import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startHttp } from '../../../src/http/server.ts'
import type { HttpOptions, HttpServer } from '../../../src/http/server.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { createManualClock } from '../../fakes/clock.ts'

const UP = { ok: true, checks: [{ name: 'socket', ok: true, detail: '', ms: 1 }] }
const DOWN = { ok: false, checks: [{ name: 'authority', ok: false, detail: 'gone', ms: 1 }] }

async function start(t: TestContext, options: Partial<HttpOptions> = {}): Promise<HttpServer> {
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    metrics: {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      metrics: async () => 'a 1\n',
    },
    health: { live: async () => UP, ready: async () => DOWN },
    clock: systemClock,
    ...options,
  })
  t.after(() => server.close())
  return server
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function ask(
  server: HttpServer,
  path: string,
  options: { host?: string; method?: string; body?: string } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(`http://${server.address}`)
  const { host = server.address, method = 'GET', body } = options
  return new Promise((resolve, reject) => {
    const call = request(
      { host: hostname.replaceAll(/[[\]]/g, ''), port, path, method, headers: { host } },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (part: string) => (text += part))
        answer.on('end', () =>
          resolve({ status: answer.statusCode, headers: answer.headers, body: text }),
        )
      },
    )
    call.on('error', reject)
    call.end(body)
  })
}

test('startHttp() serves metrics and health on the port it was given', async (t) => {
  const server = await start(t)
  assert.match(server.address, /^127\.0\.0\.1:[1-9]\d*$/)
  const metrics = await ask(server, '/metrics')
  assert.deepEqual([metrics.status, metrics.body], [200, 'a 1\n'])
  assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  const live = await ask(server, '/live')
  assert.deepEqual([live.status, JSON.parse(live.body)], [200, UP])
  const ready = await ask(server, '/ready')
  assert.deepEqual([ready.status, JSON.parse(ready.body)], [503, DOWN])
})

test('startHttp() takes localhost and IPv6, and tells the address that is really bound', async (t) => {
  assert.match((await start(t, { host: 'localhost' })).address, /^127\.0\.0\.1:[1-9]/)
  let six: HttpServer
  try {
    six = await start(t, { host: '::1' })
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    return t.skip('no IPv6 loopback here')
  }
  assert.match(six.address, /^\[::1\]:[1-9]/)
  assert.equal((await ask(six, '/live')).status, 200)
})

test('startHttp() refuses a Host that is a name, as a rebound one would be', async (t) => {
  const server = await start(t)
  for (const host of [
    'localhost',
    'localhost:1',
    '127.0.0.1',
    '10.0.0.9:9988',
    '[::1]',
    '[::1]:9988',
  ])
    assert.equal((await ask(server, '/live', { host })).status, 200, host)
  for (const host of [
    'evil.test',
    'evil.test:9988',
    'localhost.evil.test',
    '127.0.0.1.evil.test',
    '[evil]',
    '1.2.3',
  ])
    for (const path of ['/live', '/metrics', '/nothing'])
      assert.equal((await ask(server, path, { host })).status, 421, `${host} ${path}`)
})

test('startHttp() lets no page on the web read it', async (t) => {
  const server = await start(t)
  for (const path of ['/metrics', '/nothing']) {
    const { headers } = await ask(server, path)
    assert.equal(headers['access-control-allow-origin'], undefined)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['cache-control'], 'no-store')
    assert.match(String(headers['content-security-policy']), /default-src 'none'/)
  }
})

test('startHttp() answers what it does not serve, and faults behind it, without a word of detail', async (t) => {
  const server = await start(t, {
    metrics: {
      contentType: 'text/plain',
      metrics: () => Promise.reject(new Error('inner secret')),
    },
  })
  const failed = await ask(server, '/metrics')
  assert.deepEqual([failed.status, failed.body], [500, '{"error":"internal"}'])
  const unknown = await ask(server, '/nothing?x=<script>')
  assert.deepEqual([unknown.status, unknown.body], [404, '{"error":"not found"}'])
  assert.equal(
    (await ask(server, '/metrics', { method: 'POST', body: 'x'.repeat(4096) })).status,
    404,
  )
  const broken = await ask(server, '/%E0%A4%A')
  assert.ok(broken.status === 400 || broken.status === 404)
  assert.doesNotMatch(broken.body, /E0/)
})

test('startHttp() says which address it cannot have', async (t) => {
  const server = await start(t)
  const port = Number(server.address.split(':').at(-1))
  await assert.rejects(
    () => start(t, { port }),
    (error) =>
      error instanceof SpindleError && error.message.includes(`http.listen 127.0.0.1:${port}`),
  )
})

test(
  'close() ends connections that are idle, half a request long, or in the middle of an answer',
  { timeout: 8000 },
  async (t) => {
    let asked: (() => void) | undefined
    const reached = new Promise<void>((resolve) => (asked = resolve))
    const server = await start(t, {
      // Its time stands still: the bound of close() is not what ends them.
      clock: createManualClock(),
      health: {
        live: () => {
          asked!()
          return new Promise(() => {})
        },
        ready: async () => DOWN,
      },
    })
    const { hostname, port } = new URL(`http://${server.address}`)
    const open = (text: string): Promise<unknown> =>
      new Promise((resolve) => {
        const socket = connect(Number(port), hostname, () => socket.write(text))
        socket.on('close', resolve).on('error', () => {})
      })
    const ended = Promise.all([
      open(''),
      open('GET /live HT'),
      open('GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n'),
    ])
    await reached
    await server.close()
    await ended
  },
)
