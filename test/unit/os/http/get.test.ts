import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { httpGet } from '../../../../src/os/http/get.ts'
import type { HttpGetOptions, LookupFunction } from '../../../../src/os/http/get.ts'
import { createManualClock } from '../../../fakes/clock.ts'

const to =
  (...addresses: readonly string[]): LookupFunction =>
  (_name, { all }, done) =>
    all === true
      ? done(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        )
      : done(null, addresses[0]!, 4)

async function serve(t: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const options = (more: Partial<HttpGetOptions> = {}): HttpGetOptions => ({
  clock: createManualClock(),
  signal: new AbortController().signal,
  lookup: to('127.0.0.1'),
  deadlineMs: 10_000,
  mostBytes: 64,
  ...more,
})

const get = (port: number, more: Partial<HttpGetOptions> = {}, host = 'node.test') =>
  httpGet({ host, port, path: '/a/b' }, options(more))

test('httpGet asks for the path at the host by its name', async (t) => {
  const seen: (string | undefined)[] = []
  const port = await serve(t, (request, response) => {
    seen.push(request.method, request.url, request.headers.host)
    response.end('hello\n')
  })
  assert.equal(await get(port), 'hello\n')
  assert.deepEqual(seen, ['GET', '/a/b', `node.test:${port}`])
})

test('httpGet follows no redirect', async (t) => {
  let elsewhere = 0
  const other = await serve(t, (_request, response) => {
    elsewhere++
    response.end('x')
  })
  const port = await serve(t, (_request, response) =>
    response.writeHead(302, { location: `http://127.0.0.1:${other}/` }).end('x'),
  )
  await assert.rejects(get(port), /status 302/)
  assert.equal(elsewhere, 0)
})

const REFUSED: readonly (readonly [
  string,
  (r: IncomingMessage, s: ServerResponse) => void,
  RegExp,
])[] = [
  ['too long an answer', (_, response) => response.end('x'.repeat(65)), /longer than 64 bytes/],
  ['an endless answer', (_, response) => endless(response), /longer than 64 bytes/],
  ['another status', (_, response) => response.writeHead(404).end('x'), /status 404/],
  ['an end in the middle', (_, response) => cut(response), /aborted|hang up/],
  ['headers without end', (_, response) => longHeaders(response), /[Hh]eader/],
]
for (const [what, answer, fault] of REFUSED)
  test(`httpGet takes no ${what}`, async (t) => {
    await assert.rejects(get(await serve(t, answer)), fault)
  })

function endless(response: ServerResponse): void {
  const more = (): void => {
    if (!response.destroyed) response.write('x'.repeat(1_000), more)
  }
  more()
}

function cut(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '10' })
  response.write('12', () => response.destroy())
}

function longHeaders(response: ServerResponse): void {
  response.writeHead(200, { long: 'x'.repeat(20_000) }).end('x')
}

test('httpGet gives up at its deadline, and when nobody waits for it', async (t) => {
  const asked = Promise.withResolvers<void>()
  const port = await serve(t, () => asked.resolve())
  const clock = createManualClock()
  const late = assert.rejects(get(port, { clock }), /no answer within 10 s/)
  await asked.promise
  await clock.advance(10_000)
  await late
  const going = new AbortController()
  const gone = assert.rejects(get(port, { signal: going.signal }), /abort/)
  going.abort()
  await gone
})

test('httpGet calls no address where no host is, however it is written', async () => {
  const noHost = /an address that is no host/
  for (const address of [
    '169.254.169.254',
    '0.0.0.0',
    '255.255.255.255',
    '::',
    'fe80::1',
    '::ffff:169.254.169.254',
  ])
    await assert.rejects(get(80, { lookup: to(address) }), noHost, address)
  await assert.rejects(get(80, { lookup: to('127.0.0.1', '169.254.169.254') }), noHost)
  for (const host of ['169.254.169.254', '0.0.0.0']) await assert.rejects(get(80, {}, host), noHost)
})

test('httpGet says that nobody listens, and that there is no such name', async (t) => {
  const port = await serve(t, () => undefined)
  const lookup: LookupFunction = (_name, _options, done) =>
    done(Object.assign(new Error('getaddrinfo ENOTFOUND node.test'), { code: 'ENOTFOUND' }), '', 0)
  await assert.rejects(get(port, { lookup }), /ENOTFOUND/)
  await assert.rejects(get(1), /ECONNREFUSED/)
})
