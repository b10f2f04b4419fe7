import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Page } from '../../../src/http/page.ts'
import type { PageState } from '../../../src/http/page-state.ts'
import type { HttpServer } from '../../../src/http/server.ts'
import { startHttp } from '../../../src/http/server.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Timeline } from '../../../src/telemetry/timeline.ts'
import { createTimeline } from '../../../src/telemetry/timeline.ts'
import { createManualClock } from '../../fakes/clock.ts'

const UP = { ok: true, checks: [] }
const MOMENT_MS = 100

interface Setting {
  readonly server: HttpServer
  readonly timeline: Timeline
}

async function start(
  t: TestContext,
  page: Partial<Page> = {},
  clock: Clock = systemClock,
): Promise<Setting> {
  const timeline = createTimeline(clock)
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    metrics: { contentType: 'text/plain', metrics: async () => '' },
    health: { live: async () => UP, ready: async () => UP },
    clock,
    page: {
      files: new Map([
        ['/', { type: 'text/html; charset=utf-8', read: () => Buffer.from('<p>page') }],
        ['/page/a.js', { type: 'text/javascript', read: () => Buffer.from('1') }],
      ]),
      state: async () => ({ at: 1 }) as PageState,
      timeline,
      ...page,
    },
  })
  t.after(() => server.close())
  return { server, timeline }
}

function open(
  { server }: Setting,
  path: string,
  { method = 'GET', ...headers }: Record<string, string> = {},
): Promise<IncomingMessage> {
  const { hostname, port } = new URL(`http://${server.address}`)
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port, path, method, headers, agent: false }
    request(options, resolve).on('error', reject).end()
  })
}

async function ask(
  setting: Setting,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders; body: string }> {
  const answer = await open(setting, path, headers)
  let body = ''
  for await (const part of answer.setEncoding('utf8')) body += part
  return { status: answer.statusCode, headers: answer.headers, body }
}

/** The ids of the events in what is received, as they come. */
async function* idsOf(answer: IncomingMessage): AsyncGenerator<number> {
  let text = ''
  for await (const part of answer.setEncoding('utf8')) {
    text += part
    const events = text.split('\n\n')
    text = events.pop() ?? ''
    for (const event of events) {
      const id = /^id: (\d+)\ndata: (\{.*\})$/.exec(event)
      if (id === null) continue
      assert.equal((JSON.parse(id[2]!) as { id: number }).id, Number(id[1]))
      yield Number(id[1])
    }
  }
}

test('the page is served with a policy that lets in its own files alone', async (t) => {
  const setting = await start(t)
  const { status, headers, body } = await ask(setting, '/')
  assert.deepEqual(
    [status, body, headers['content-type']],
    [200, '<p>page', 'text/html; charset=utf-8'],
  )
  const policy = String(headers['content-security-policy'])
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /)
  assert.match(policy, /frame-ancestors 'none'/)
  assert.doesNotMatch(policy, /unsafe|\*|http/)
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['access-control-allow-origin'], undefined)
})

test('only the files of the page are served, whatever the path says', async (t) => {
  const setting = await start(t)
  assert.equal((await ask(setting, '/page/a.js')).status, 200)
  for (const path of [
    '/page/',
    '/page',
    '/page/b.js',
    '/page/a.js/',
    '/page/../page.ts',
    '/page/..%2f..%2fpackage.json',
    '/page/%2e%2e/%2e%2e/package.json',
    '//etc/passwd',
    '/index.html',
    '/api',
    '/api/',
    '/api/state/x',
  ])
    assert.equal((await ask(setting, path)).status, 404, path)
})

test('the page is read only: any other method finds nothing', async (t) => {
  const setting = await start(t)
  for (const path of ['/', '/page/a.js', '/api/state', '/api/events'])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'])
      assert.equal((await ask(setting, path, { method })).status, 404, `${method} ${path}`)
})

test('without a page nothing of it is served', async (t) => {
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    metrics: { contentType: 'text/plain', metrics: async () => '' },
    health: { live: async () => UP, ready: async () => UP },
    clock: systemClock,
  })
  t.after(() => server.close())
  const bare = { server, timeline: createTimeline(systemClock) }
  for (const path of ['/', '/page/a.js', '/api/state', '/api/events'])
    assert.equal((await ask(bare, path)).status, 404, path)
  assert.equal((await ask(bare, '/live')).status, 200)
})

test('a host that is a name, and a page of another site, get nothing', async (t) => {
  const setting = await start(t)
  for (const path of ['/', '/page/a.js', '/api/state', '/api/events'])
    assert.equal((await ask(setting, path, { host: 'evil.test' })).status, 421, path)
  for (const site of ['cross-site', 'same-site'])
    for (const path of ['/api/state', '/api/events'])
      assert.equal((await ask(setting, path, { 'sec-fetch-site': site })).status, 403, path)
  for (const site of ['same-origin', 'none'])
    assert.equal((await ask(setting, '/api/state', { 'sec-fetch-site': site })).status, 200)
})

test('/api/state is described once for all who ask within a second, and after a fault anew', async (t) => {
  const clock = createManualClock()
  let described = 0
  let fails = false
  const state = async (): Promise<PageState> => {
    described += 1
    if (fails) throw new Error('inner secret')
    return { at: described } as PageState
  }
  const setting = await start(t, { state }, clock)
  const both = await Promise.all([ask(setting, '/api/state'), ask(setting, '/api/state')])
  assert.deepEqual(
    both.map(({ body }) => body),
    ['{"at":1}', '{"at":1}'],
  )
  assert.equal(both[0].headers['content-type'], 'application/json; charset=utf-8')
  await clock.advance(999)
  assert.equal((await ask(setting, '/api/state')).body, '{"at":1}')
  await clock.advance(1)
  assert.equal((await ask(setting, '/api/state')).body, '{"at":2}')
  fails = true
  await clock.advance(1_000)
  const { status, body } = await ask(setting, '/api/state')
  assert.deepEqual([status, body], [500, '{"error":"internal"}'])
  fails = false
  assert.equal((await ask(setting, '/api/state')).body, '{"at":4}')
})

test('/api/state that takes long to describe is described that much more rarely', async (t) => {
  const clock = createManualClock()
  let described = 0
  const state = async (): Promise<PageState> => {
    described += 1
    await clock.advance(500)
    return { at: described } as PageState
  }
  const setting = await start(t, { state }, clock)
  assert.equal((await ask(setting, '/api/state')).body, '{"at":1}')
  await clock.advance(9_000)
  assert.equal((await ask(setting, '/api/state')).body, '{"at":1}')
  await clock.advance(600)
  assert.equal((await ask(setting, '/api/state')).body, '{"at":2}')
})

test('/api/events tells what happened and what happens, and goes on where a client was', async (t) => {
  const clock = createManualClock()
  const setting = await start(t, {}, clock)
  const happen = async (subject: string): Promise<void> => {
    setting.timeline.add({ kind: 'issued', subject })
    await clock.advance(MOMENT_MS)
  }
  await happen('before')
  const answer = await open(setting, '/api/events')
  assert.equal(answer.headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.equal(answer.headers['cache-control'], 'no-store')
  const ids = idsOf(answer)
  assert.equal((await ids.next()).value, 1)
  await happen('now')
  assert.equal((await ids.next()).value, 2)
  answer.destroy()

  await happen('meanwhile')
  const again = await open(setting, '/api/events', { 'last-event-id': '2' })
  assert.equal((await idsOf(again).next()).value, 3)
  again.destroy()
})

test('/api/events has room for eight, and for another once one has left', async (t) => {
  const setting = await start(t)
  const eight = await Promise.all(Array.from({ length: 8 }, () => open(setting, '/api/events')))
  assert.deepEqual(
    eight.map(({ statusCode }) => statusCode),
    Array(8).fill(200),
  )
  assert.equal((await ask(setting, '/api/events')).status, 503)
  eight[3]!.destroy()
  const end = performance.now() + 20_000
  let status: number | undefined = 503
  while (status === 503 && performance.now() < end) {
    const answer = await open(setting, '/api/events')
    status = answer.statusCode
    answer.destroy()
  }
  assert.equal(status, 200)
  for (const answer of eight) answer.destroy()
})

test('/api/events hangs up on a client that does not read, and others hear on', async (t) => {
  const clock = createManualClock()
  const timeline = createTimeline(clock)
  // The server's own clock stands still: no heartbeat finds out.
  const setting = await start(t, { timeline }, createManualClock())
  const slow = await open(setting, '/api/events')
  let gone = false
  const ended = new Promise((resolve) => slow.on('close', resolve).on('error', resolve))
  void ended.then(() => (gone = true))
  // Read by nobody: what the kernel holds fills up, and then what the agent holds.
  slow.pause()
  const good = idsOf(await open(setting, '/api/events'))
  let heard = 0
  const happen = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++)
      timeline.add({ kind: 'pushed', subject: `${n}${'x'.repeat(512)}`, detail: 'y'.repeat(256) })
    await clock.advance(MOMENT_MS)
    const last = timeline.since(0).at(-1)!.id
    while (heard < last) heard = (await good.next()).value ?? Infinity
  }
  for (let n = 0; n < 5_000 && !gone; n++) await happen(20)
  slow.resume()
  await ended
  await happen(1)
  assert.equal(heard, timeline.since(0).at(-1)?.id)
})

test('/api/events is kept alive by a heartbeat, and costs no timer once everybody has left', async (t) => {
  const clock = createManualClock()
  const setting = await start(t, {}, clock)
  const before = clock.pending
  const answer = await open(setting, '/api/events')
  const parts: string[] = []
  answer.setEncoding('utf8').on('data', (part: string) => parts.push(part))
  const end = performance.now() + 20_000
  while (!parts.join('').includes(':\n\n') && performance.now() < end) {
    await clock.advance(5_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.match(parts.join(''), /^retry: \d+\n\n(?::\n\n)+$/)
  assert.equal(clock.pending, before + 1)
  answer.destroy()
  while (clock.pending > before && performance.now() < end)
    await new Promise((resolve) => setImmediate(resolve))
  assert.equal(clock.pending, before)
})
